"""What a supernet as a whole does: the mixture of all options, and its score."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from archloom.nn import Assignment, Gate
from archloom.oneshot._collapse import View
from archloom.oneshot._gates import Gates

_DRAWS = 8


def mixture(gates: Gates, seed: int = 0) -> Assignment:
    """Give an assignment under which all options run, each with the weight that the method gives.

    It is what a pass takes where the method weighs options; for a method that runs single paths,
    the probabilities are the weights.
    """
    path = gates.paths(_rng(seed))[0]
    if is_mixed(path):
        return path
    with torch.no_grad():
        chances = {label: chance.detach() for label, chance in gates.probabilities().items()}
    return {**path, **chances}


def is_mixed(assignment: Assignment) -> bool:
    """Whether an assignment weighs the options of some choice."""
    return any(isinstance(gate, Tensor) for gate in assignment.values())


def supernet_score(view: View, draws: int = _DRAWS) -> float:
    """Give the score of what the method trains: of its mixture, or the mean over drawn paths."""
    scores = [view.score(path) for path in _typical(view.gates, draws, view.seed)]
    return sum(scores) / len(scores)


def _typical(gates: Gates, draws: int, seed: int) -> Iterator[Assignment]:
    rng = _rng(seed)
    first = gates.paths(rng)
    yield first[0]
    for _ in range(draws - 1):
        path = gates.paths(rng)[0]
        if is_mixed(path) and all(_same(path[name], first[0].get(name)) for name in path):
            return  # nothing is drawn: one pass says it all
        yield path


def _same(one: Gate, other: Gate | None) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    return one is other or (not isinstance(other, Tensor) and one == other)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0x317])
