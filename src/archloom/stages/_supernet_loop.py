"""Make the training of a stage's supernet: its weights, method, data, layout and prices."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.nn import Assignment, Supernet
from archloom.objective import Constraint
from archloom.oneshot import (
    Bilevel,
    Charge,
    CostTree,
    Gates,
    Learned,
    Limited,
    Term,
    on_device,
    uniform_chances,
)
from archloom.stages._constraints import cost_of
from archloom.stages._lab import Lab
from archloom.stages._supernet_view import kept_gates
from archloom.task import mix
from archloom.train import Layout, choose_layout, tune_allocator

if TYPE_CHECKING:
    from archloom.stages._one_shot import OneShot
    from archloom.stages._supernet_book import SupernetBook


def supernet_loop(lab: Lab, stage: OneShot, book: SupernetBook) -> Bilevel:
    """Give the training of a stage at its very beginning, which is put on record."""
    if lab.device.type == "cpu":
        tune_allocator()
    seed = mix(lab.seed, *stage.name.encode())
    gates = stage.gates
    gates.setup(lab.space.space, seed)
    recipe, halves = stage.filled_for(lab)
    torch.manual_seed(seed)
    supernet = lab.space.supernet()
    limit_paths(gates, supernet, lab, stage)
    with kept_gates(gates):
        gates.anneal(0.0)
        path = on_device(gates.paths(np.random.default_rng(seed))[0], lab.device)
    layout: Layout = choose_layout(
        Along(supernet, path, gates.partial),
        lab.task,
        recipe.shared,
        lab.device,
        remember=lambda measure: lab.remember(f"layout {stage.name}", measure),
    )
    charge = charged(gates, supernet, lab, stage)
    if not book.begun:
        book.begin(halves)
    return Bilevel(
        *(supernet, gates, lab.task, recipe, halves),
        seed=seed,
        device=lab.device,
        layout=layout,
        charge=charge,
        dropout=stage.dropout,
    )


class Along(nn.Module):
    """A supernet as an ordinary model, which always takes one assignment."""

    def __init__(self, supernet: Supernet, assignment: Assignment, partial: int = 1) -> None:
        super().__init__()
        self.supernet = supernet
        self._assignment = assignment
        self._partial = partial

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the supernet along the assignment."""
        with self.supernet.routed(self._assignment, partial=self._partial):
            return self.supernet(*args, **kwargs)


def limit_paths(gates: Gates, supernet: Supernet, lab: Lab, stage: OneShot) -> None:
    """Let methods that sample paths leave out those that a constraint or a target rules out."""
    if not isinstance(gates, Limited):
        return
    tests: list[Callable[[Architecture], bool]] = []
    penalty = stage.penalty
    if penalty is not None:
        tests.append(penalty.admitting(supernet, lab.task.example(1), lab.device))
        if penalty.metric == "latency_ms" and penalty.target is not None:
            tree, target = _latencies(supernet, lab, stage), penalty.target
            tests = [lambda architecture: tree.cost(architecture) <= target]
    tests += [_test(constraint, supernet, lab, stage) for constraint in lab.constraints]
    if not tests:
        return

    @lru_cache(maxsize=100_000)
    def admits(architecture: Architecture) -> bool:
        return all(test(architecture) for test in tests)

    gates.limit(admits)


def _test(
    constraint: Constraint, supernet: Supernet, lab: Lab, stage: OneShot
) -> Callable[[Architecture], bool]:
    """Give what says whether a path keeps a constraint: asked before each step, so from tables."""
    metric = constraint.metric
    try:
        if metric == "latency_ms":
            tree = _latencies(supernet, lab, stage)
        else:
            tree = CostTree.of(supernet, lab.task.example(1), metric)  # type: ignore[arg-type]
    except ConfigError:  # no table holds it: count each path
        return lambda architecture: constraint.holds(cost_of(lab, architecture))
    return lambda architecture: constraint.holds({metric: tree.cost(architecture)})


def charged(gates: Gates, supernet: Supernet, lab: Lab, stage: OneShot) -> Charge | None:
    """Give the prices of a method that learns, None for others and without a penalty."""
    penalty = stage.penalty
    if penalty is None or not isinstance(gates, Learned):
        return None
    if penalty.metric != "latency_ms":
        return penalty.on(supernet, lab.task.example(1), lab.device)
    tree = _latencies(supernet, lab, stage)
    average = float(tree.expected(uniform_chances(supernet.space.space)))
    return Charge(penalty, tree, average)


def _latencies(supernet: Supernet, lab: Lab, stage: OneShot) -> CostTree:
    """Give the latencies of a supernet's parts, measured once a run: a second time they differ."""

    def measure() -> list[Any]:
        tree = CostTree.of(supernet, lab.task.example(1), "latency_ms", lab.device)
        return [[list(term.labels), term.table.tolist()] for term in tree.terms]

    found = lab.remember(f"latencies {stage.name}", measure)
    terms = [Term(tuple(labels), torch.tensor(table)) for labels, table in found]
    return CostTree(supernet.space.space, "latency_ms", terms)


def keeps_constraints(lab: Lab, architecture: Architecture) -> bool:
    """Whether an architecture keeps every constraint of the run."""
    if not lab.constraints:
        return True
    cost = cost_of(lab, architecture)
    return all(constraint.holds(cost) for constraint in lab.constraints)
