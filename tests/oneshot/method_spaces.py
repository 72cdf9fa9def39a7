"""Spaces and judges for the tests of methods."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from archloom.nn import Assignment, Pick, Supernet, Weighted, model_space
from archloom.oneshot import Judge, Judged
from archloom.space import Choice, OneOf, Option, SomeOf, Space


def layer(label: str, *names: str) -> Choice:
    return Choice(label, "layer", OneOf(tuple(map(Option, names))))


def one_choice(options: int) -> Space:
    return Space((layer("op", *map(str, range(options))),))


def node(operations: tuple[str, ...], inputs: int = 3, low: int = 2, high: int = 2) -> Space:
    """Give a node of a DARTS cell: some of the inputs, each with an operation."""
    options = tuple(Option(str(i), (layer(f"{i}.op", *operations),)) for i in range(inputs))
    return Space((Choice("node", "subset", SomeOf(options, low, high)),))


@model_space
def mixed_end(pick: Pick) -> nn.Module:
    """A choice of three layers behind a fixed one, so that a mixture is a sum of children."""
    ops = {"a": lambda: nn.Linear(5, 4), "b": lambda: nn.Linear(5, 4, bias=False), "c": deep}
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), pick.layer("op", ops))


def deep() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4))


@model_space
def two_steps(pick: Pick) -> nn.Module:
    def ops() -> dict[str, Callable[[], nn.Module]]:
        return {"a": lambda: nn.Linear(4, 4), "b": lambda: nn.Linear(4, 4), "c": lambda: deep4()}

    return nn.Sequential(pick.layer("first", ops()), pick.layer("second", ops()))


def deep4() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))


def linear_judge(costs: Tensor, label: str = "op") -> Judge:
    """Judge a space of one choice by a loss that is linear in the options' weights."""
    names = [str(place) for place in range(len(costs))]

    def judge(assignment: Assignment) -> Judged:
        gate = assignment[label]
        if isinstance(gate, Weighted):
            places = [names.index(str(option)) for option in gate.options]
            loss = (gate.weights * costs[places]).sum()
        elif isinstance(gate, Tensor):
            loss = (gate * costs).sum()
        else:
            loss = costs[names.index(str(gate))]
        return Judged(loss, -float(loss.detach()))

    return judge


def net_judge(supernet: Supernet, x: Tensor) -> Judge:
    """Judge by the mean square of what a supernet gives."""

    def judge(assignment: Assignment) -> Judged:
        loss = supernet(x, gates=assignment).square().mean()
        return Judged(loss, -float(loss.detach()))

    return judge


def calls(supernet: Supernet, run: Callable[[], object]) -> dict[str, int]:
    """Count how often each option of each layer choice runs."""
    counts: dict[str, int] = {}
    handles = []
    for place, module in supernet.places.items():
        name = ".".join(f"{label}={option}" for label, option, _ in place)
        counts[name] = 0

        def count(*_: object, name: str = name) -> None:
            counts[name] += 1

        handles.append(module.register_forward_hook(count))
    run()
    for handle in handles:
        handle.remove()
    return counts


def seeded(make: Callable[[], Supernet], seed: int = 0) -> Supernet:
    torch.manual_seed(seed)
    return make()
