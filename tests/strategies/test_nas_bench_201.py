"""Published results of search on NAS-Bench-201 (CIFAR-10), from its real measured accuracies.

Search on the validation accuracy of the 12-epoch schedule, report the test accuracy after 200
epochs of the best one found; the budget counts different architectures. The table is
`nas_bench_201_cifar10.npz` (Dong and Yang, ICLR 2020).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space
from archloom.strategies import Evolution, LocalSearch, Random, Strategy
from archloom.trial import State, Trial

TABLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "nas_bench_201_cifar10.npz"
BUDGET = 100
SEEDS = 40

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="the NAS-Bench-201 table is not here")


@cache
def table() -> tuple[dict[tuple[int, ...], int], NDArray[np.float64], NDArray[np.float64]]:
    """Give the row of each architecture, its validation accuracy and its test accuracy."""
    with np.load(TABLE) as data:
        rows = {tuple(ops): row for row, ops in enumerate(data["ops"].tolist())}
        return rows, data["cifar10_valid_valid_12"], data["cifar10_test_200"]


def space() -> Space:
    operation = OneOf(tuple(Option(number) for number in range(5)))
    return Space(tuple(Choice(f"edge{number}", "layer", operation) for number in range(6)))


def row_of(architecture: Architecture) -> int:
    return table()[0][tuple(int(value) for value in architecture.values())]  # type: ignore[arg-type]


def found(strategy: Strategy) -> float:
    """Give the test accuracy of the best by validation after the budget is spent."""
    _, valid, test = table()
    strategy.setup(space(), Objective("accuracy"), 0)
    rows = []
    for number in range(BUDGET):
        proposal = strategy.ask(number)
        assert proposal is not None
        row = row_of(proposal.architecture)
        rows.append(row)
        strategy.tell(
            Trial(
                number,
                "search",
                proposal.architecture,
                0,
                State.DONE,
                parent=proposal.parent,
                metrics={"accuracy": float(valid[row])},
            )
        )
    assert len(set(rows)) == BUDGET
    return float(test[max(rows, key=lambda row: valid[row])])


def test_random_search_reaches_what_random_search_reaches() -> None:
    assert np.mean([found(Random(seed=seed)) for seed in range(SEEDS)]) == pytest.approx(
        93.74, abs=0.12
    )


def test_evolution_reaches_its_published_level() -> None:
    scores = [found(Evolution(population=20, sample=10, seed=seed)) for seed in range(SEEDS)]
    assert np.mean(scores) >= 93.9


def test_local_search_beats_random_search() -> None:
    scores = [found(LocalSearch(first_improvement=True, seed=seed)) for seed in range(SEEDS)]
    assert np.mean(scores) >= 93.85
