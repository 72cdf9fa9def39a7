"""Spaces and checks that the tests of supernets share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from archloom.nn import ModelSpace, Pick, Supernet, add, model_space, residual, wired


def conv(width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


@model_space
def chain(pick: Pick, width: int = 4) -> nn.Module:
    """One to three blocks of three operations."""

    def block(pick: Pick) -> nn.Module:
        return pick.layer(
            "op",
            {
                "conv3": lambda: conv(width, 3),
                "res/1.0": lambda: residual(conv(width, 1)),
                "skip": nn.Identity,
            },
        )

    body = pick.repeat("body", block, 1, 3)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))
    return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), body, head)


class Stack(nn.Module):
    """A join with weights of its own for each depth, whose code goes through its bodies."""

    def __init__(self, bodies: list[nn.Module]) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(bodies)
        self.scale = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        total = self.scale(x)
        for body in self.bodies:
            total = total + body(total)
        return total


class Listed(nn.Module):
    """A model that goes through an `nn.ModuleList` of bodies."""

    def __init__(self, bodies: Any, edges: Any) -> None:
        super().__init__()
        self.bodies = bodies
        self.edges = edges

    def forward(self, x: Tensor) -> Tensor:
        for index in range(len(self.bodies)):
            x = self.bodies[index](x).relu()
        for body in self.bodies:
            x = body(x)
        return torch.stack([edge(x) for edge in self.edges.values()]).sum(0)


def linear(pick: Pick) -> nn.Module:
    return pick.layer("op", {"linear": lambda: nn.Linear(4, 4), "tanh": nn.Tanh})


@model_space
def listed(pick: Pick) -> nn.Module:
    bodies = pick.repeat("body", linear, 1, 3, join=nn.ModuleList)
    edges = pick.subset("edges", dict.fromkeys("abc", linear), (1, 2))
    return Listed(bodies, edges)


@model_space
def stacked(pick: Pick) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), pick.repeat("body", linear, 0, 2, join=Stack))


@model_space
def baked(pick: Pick) -> nn.Module:
    """Inputs that are written into a graph, and one choice asked of two places."""
    edges = pick.subset("edges", dict.fromkeys("abc", linear), 2)
    twice = pick.at("tied")
    return nn.Sequential(linear(twice), add(*edges.values()), linear(twice))


@model_space
def unrolled(pick: Pick) -> nn.Module:
    """Bodies taken out of their row into a longer one."""
    body = pick.repeat("body", linear, 1, 3)
    return nn.Sequential(nn.Linear(4, 4), *body, nn.Linear(4, 2))


@model_space
def nested(pick: Pick) -> nn.Module:
    """Choices inside options, two of them under one label."""

    def deep(pick: Pick) -> nn.Module:
        return nn.Sequential(
            nn.Linear(4, 4), pick.repeat("in", lambda p: nn.Sequential(linear(p)), 0, 2)
        )

    def shared(pick: Pick) -> nn.Module:
        return nn.Sequential(linear(root), nn.Linear(4, 4), linear(pick))

    root = pick.at("root")
    return nn.Sequential(
        pick.layer("kind", {"deep": deep, "shared": shared, "linear": lambda: linear(root)}),
        linear(root),
    )


@model_space
def even(pick: Pick) -> nn.Module:
    """A graph with an elastic number in it."""
    width = pick.value("width", [4, 8])
    split = wired(
        lambda self, x: self.linear(x).unflatten(1, (width // 2, 2)).sum(2),
        {"linear": nn.Linear(4, width)},
    )
    return nn.Sequential(split, nn.Linear(width // 2, 3))


class Scaled(nn.Module):
    """What it does does not show in its tensors and settings."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.function = partial(torch.mul, torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@model_space
def hidden(pick: Pick) -> nn.Module:
    width = pick.value("width", [4, 8])
    return nn.Sequential(nn.Linear(4, width), Scaled(2.0 if width > 4 else 1.0))


SPACES = {
    "chain": (chain, torch.Size((2, 1, 6, 6))),
    "listed": (listed, torch.Size((3, 4))),
    "stacked": (stacked, torch.Size((3, 4))),
    "baked": (baked, torch.Size((3, 4))),
    "unrolled": (unrolled, torch.Size((3, 4))),
    "nested": (nested, torch.Size((3, 4))),
}


def shaken(supernet: Supernet, seed: int = 0) -> Supernet:
    """Give every tensor values that are unlike those it begins with; set the supernet to eval."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*supernet.parameters(), *supernet.buffers()):
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.add_(0.2 * noise)
    return supernet.eval()


def shapes_of(module: nn.Module) -> Mapping[str, torch.Size]:
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def supernet_of(space: ModelSpace, seed: int = 0, **options: Any) -> Supernet:
    torch.manual_seed(seed)
    return shaken(space.supernet(**options), seed)
