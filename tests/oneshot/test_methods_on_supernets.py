"""Every method trains a supernet that has every kind of choice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from archloom import zoo
from archloom.nn import Pick, Supernet, add, model_space
from archloom.oneshot import (
    Darts,
    DrNas,
    Enas,
    FairNas,
    Gates,
    Gdas,
    Judge,
    Learned,
    PcDarts,
    ProxylessNas,
    Sandwich,
    Snas,
    Uniform,
)

METHODS: list[type[Gates]] = [
    Darts,
    DrNas,
    Enas,
    FairNas,
    Gdas,
    PcDarts,
    ProxylessNas,
    Sandwich,
    Snas,
    Uniform,
]


@model_space
def everything(pick: Pick) -> nn.Module:
    """A width, a depth, operations in it, branches with and without operations."""
    width = pick.value("width", [8, 16])

    def conv(kernel: int) -> nn.Module:
        return nn.Conv2d(width, width, kernel, padding=kernel // 2)

    def block(pick: Pick) -> nn.Module:
        ops = {"1": lambda: conv(1), "3": lambda: conv(3), "skip": nn.Identity}
        return nn.Sequential(pick.layer("op", ops), nn.BatchNorm2d(width))

    def branch(pick: Pick) -> nn.Module:
        return pick.layer("op", {"1": lambda: conv(1), "tanh": nn.Tanh})

    body = pick.repeat("body", block, 1, 2)
    edges = pick.subset("edges", dict.fromkeys("ab", branch), 1)
    plain = pick.subset("plain", {"relu": nn.ReLU, "tanh": nn.Tanh, "skip": nn.Identity}, 2)
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        body,
        add(*edges.values()),
        add(*plain.values()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 3),
    )


def judge_of(supernet: Supernet, gates: Gates, x: torch.Tensor, y: torch.Tensor) -> Judge:
    from archloom.oneshot import Judged

    def judge(assignment):  # type: ignore[no-untyped-def]
        with supernet.routed(assignment, partial=gates.partial):
            output = supernet(x)
        loss = nn.functional.cross_entropy(output, y)
        return Judged(loss, float((output.argmax(1) == y).float().mean()))

    return judge


def train(supernet: Supernet, gates: Gates, shape: tuple[int, ...], steps: int) -> list[float]:
    """Take steps of weights and architecture on a few random samples; give the weights' losses."""
    torch.manual_seed(1)
    x, y = torch.randn(6, *shape), torch.tensor([0, 1, 2, 0, 1, 2])
    judge = judge_of(supernet, gates, x, y)
    rng = np.random.default_rng(0)
    weights = torch.optim.SGD(supernet.parameters(), lr=0.05, momentum=0.9)
    learned = isinstance(gates, Learned)
    arch = torch.optim.Adam(gates.parameters().values(), lr=0.01) if learned else None
    losses = []
    for step in range(steps):
        gates.anneal(step / max(steps - 1, 1))
        weights.zero_grad()
        paths = gates.paths(rng)
        for path in paths:
            loss = judge(path).loss
            loss.backward()
            losses.append(float(loss.detach()) / len(paths))
        weights.step()
        if arch is not None:
            arch.zero_grad()
            gates.loss(judge, rng).backward()  # type: ignore[attr-defined]
            arch.step()
            gates.stepped()  # type: ignore[attr-defined]
    return losses


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_choice_can_be_trained(method: type[Gates]) -> None:
    torch.manual_seed(0)
    supernet = everything.supernet()
    gates = method()
    gates.setup(everything.space, seed=0)
    losses = train(supernet, gates, (1, 6, 6), steps=6)
    assert all(np.isfinite(losses))
    if isinstance(gates, FairNas | Darts | Snas):
        assert all(p.grad is not None for p in supernet.parameters())
    if isinstance(gates, Learned):
        assert all(bool(p.isfinite().all()) for p in gates.parameters().values())
        derived = gates.derive()
        assert derived is not None
        assert supernet.child(derived)(torch.randn(2, 1, 6, 6)).shape == (2, 3)
    else:
        assert gates.derive() is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["nasbench201", "darts"])
def test_the_spaces_of_the_papers_can_be_trained(name: str, method: type[Gates]) -> None:
    torch.manual_seed(0)
    settings = {"shape": (3, 8, 8), "classes": 3, "width": 4}
    space = (
        zoo.nasbench201(cells=1, **settings)
        if name == "nasbench201"
        else zoo.darts(cells=3, nodes=2, **settings)
    )
    gates = method()
    gates.setup(space.space, seed=0)
    supernet = space.supernet()
    assert all(np.isfinite(train(supernet, gates, (3, 8, 8), steps=1)))
    derived = gates.derive()
    if derived is not None:
        space.space.check(derived)
