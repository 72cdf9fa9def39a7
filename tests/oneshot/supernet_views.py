"""Views of small supernets, as guards and the monitor get them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom import Architecture, Objective
from archloom.nn import Assignment, ModelSpace, Pick, Supernet, model_space
from archloom.oneshot import Darts, Gates, Judged, Past, View


@model_space
def two_ops(pick: Pick) -> nn.Module:
    """Two edges with three operations each: one real, one that passes on, one that gives zeros."""

    def edge(name: str) -> nn.Module:
        return pick.layer(
            name, {"dense": lambda: nn.Linear(4, 4), "skip": nn.Identity, "none": Nothing}
        )

    return nn.Sequential(edge("cell.0"), nn.Tanh(), edge("cell.1"), nn.Linear(4, 3))


class Nothing(nn.Module):
    """Zeros."""

    gives_zeros = True

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def classes(samples: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four random numbers a sample; the class is which of the first three is largest."""
    x = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return x, x[:, :3].argmax(1)


def view(
    space: ModelSpace,
    gates: Gates | None = None,
    *,
    data: tuple[Tensor, Tensor] | None = None,
    epoch: int = 1,
    epochs: int = 10,
    past: Sequence[Past] = (),
    derived: Architecture | None = None,
    supernet: Supernet | None = None,
    prepare: Callable[[Supernet], None] = lambda supernet: None,
    seed: int = 0,
) -> View:
    """A view of a fresh supernet, judged by accuracy and cross-entropy on the data."""
    gates = gates or Darts()
    gates.setup(space.space, seed)
    x, y = data or classes()
    if supernet is None:
        torch.manual_seed(seed)
        supernet = space.supernet()
    prepare(supernet)
    net: Any = supernet.eval()

    def judge(assignment: Assignment) -> Judged:
        outputs = net(x, gates=assignment)
        hits = (outputs.argmax(1) == y).float().mean()
        return Judged(functional.cross_entropy(outputs, y), float(hits))

    def score(assignment: Assignment) -> float:
        with torch.no_grad():
            return judge(assignment).score

    return View(
        epoch=epoch,
        epochs=epochs,
        supernet=supernet,
        gates=gates,
        derived=gates.derive() if derived is None else derived,
        judge=judge,
        score=score,
        inherited=score,
        past=past,
        objective=Objective("accuracy"),
        seed=seed,
    )
