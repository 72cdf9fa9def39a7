"""Small spaces that several tests use."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from archloom.nn import ModelSpace, Pick, model_space


def conv(width: int, kernel: int, padding: int | None = None) -> nn.Sequential:
    padding = kernel // 2 if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=padding), nn.BatchNorm2d(width), nn.ReLU()
    )


@model_space
def small_cnn(pick: Pick, channels: int = 1, classes: int = 10) -> nn.Module:
    """The example of the README."""
    width = pick.value("width", [16, 32])

    def block(pick: Pick) -> nn.Module:
        return pick.layer(
            "op",
            {
                "conv3": lambda: conv(width, 3),
                "conv5": lambda: conv(width, 5),
                "skip": nn.Identity,
            },
        )

    body = pick.repeat("body", block, 1, 3)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), body, head)


@model_space
def cell(pick: Pick) -> nn.Module:
    """Six edges with five operations each."""
    ops = {
        "none": nn.Identity,
        "skip": nn.Identity,
        "conv1": lambda: conv(8, 1),
        "conv3": lambda: conv(8, 3),
        "pool": lambda: nn.AvgPool2d(3, 1, 1),
    }
    edges = (pick.layer(f"edge{number}", ops) for number in range(6))
    return nn.Sequential(nn.Conv2d(1, 8, 1), *edges)


class TwoInputs(nn.Module):
    def __init__(self, edges: nn.ModuleDict) -> None:
        super().__init__()
        self.edges = edges
        self.head = nn.Linear(4, 2)

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        total: Any = sum(edge(inputs[name]) for name, edge in self.edges.items())
        return {"logits": self.head(total), "sum": total}


@model_space
def two_inputs(pick: Pick) -> nn.Module:
    edges = pick.subset(
        "edges",
        {"left": lambda: nn.Linear(3, 4), "right": lambda: nn.Linear(5, 4)},
        (1, 2),
    )
    return TwoInputs(edges)


@model_space
class Net(nn.Module):
    """A space in class style."""

    def __init__(self, pick: Pick, features: int = 4, classes: int = 2) -> None:
        super().__init__()
        width = pick.value("width", [8, 16])
        self.body = nn.Linear(features, width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x).relu())
        return out


def labels(space: ModelSpace) -> list[str]:
    return list(space.space.labels)
