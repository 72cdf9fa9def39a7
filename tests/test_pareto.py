"""Dominance, fronts, crowding and hypervolume against closed forms, counting and optuna."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from archloom import Architecture, State, Study
from archloom.errors import ConfigError
from archloom.journal import Event, Finished, Noted, Started
from archloom.objective import Objective, dominates
from archloom.pareto import crowding, hypervolume, non_dominated, ranks


def _points(seed: int, number: int, objectives: int, levels: int = 6) -> NDArray[np.float64]:
    """Points on a grid, so that ties and equal points occur."""
    return np.random.default_rng(seed).integers(0, levels, (number, objectives)).astype(float)


def _beats(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """The same question put to the trials' own `dominates`."""
    objectives = tuple(Objective(str(place)) for place in range(len(first)))
    values = [{str(place): float(v) for place, v in enumerate(row)} for row in (first, second)]
    return dominates(values[0], values[1], objectives)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_non_dominated_is_what_comparing_all_pairs_gives(objectives: int) -> None:
    points = _points(objectives, 40, objectives)
    expected = [not any(_beats(other, point) for other in points) for point in points]
    assert non_dominated(points).tolist() == expected


@pytest.mark.parametrize("objectives", [2, 3])
def test_ranks_peel_one_front_after_the_other(objectives: int) -> None:
    points = _points(7, 50, objectives)
    found = ranks(points)
    left = np.ones(len(points), dtype=bool)
    for rank in range(int(found.max()) + 1):
        front = np.flatnonzero(left)[non_dominated(points[left])]
        assert sorted(np.flatnonzero(found == rank)) == sorted(front)
        left[front] = False
    assert not left.any()


def test_constrained_domination() -> None:
    """Section VI: what keeps the constraints first, then the smaller violation."""
    points = [[0, 0], [5, 5], [9, 9], [1, 1], [9, 0]]
    violations = [0.0, 2.0, 1.0, 0.0, 1.0]
    assert ranks(points, violations).tolist() == [1, 3, 2, 0, 2]
    never = [0.0, math.inf, math.inf, 0.0, 1.0]
    assert ranks(points, never).tolist() == [1, 3, 3, 0, 2]


def test_a_nan_is_worse_than_any_number() -> None:
    points = [[math.nan, 3.0], [0.0, 3.0], [math.nan, math.nan]]
    assert non_dominated(points).tolist() == [False, True, False]
    assert ranks(points).tolist() == [1, 0, 2]


def test_crowding_by_hand() -> None:
    """Four points on a front: ends count as infinitely far, inner ones by their neighbours."""
    points = [[0.0, 10.0], [1.0, 9.0], [4.0, 4.0], [10.0, 0.0]]
    expected = [math.inf, 4 / 10 + 6 / 10, 9 / 10 + 9 / 10, math.inf]
    assert crowding(points).tolist() == pytest.approx(expected)
    shuffled = [points[place] for place in (2, 0, 3, 1)]
    assert crowding(shuffled).tolist() == pytest.approx([expected[p] for p in (2, 0, 3, 1)])
    assert crowding([[1.0, 1.0], [1.0, 1.0]]).tolist() == [0.0, 0.0], "nothing to tell them apart"
    assert crowding([[1.0, -math.inf]] * 3).tolist() == [0.0] * 3


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 5])
def test_hypervolume_counts_the_cells_of_a_grid(objectives: int) -> None:
    """With whole coordinates the volume is the number of unit cells below some point."""
    levels = {1: 9, 2: 9, 3: 7, 4: 5, 5: 4}[objectives]
    points = _points(objectives, 12, objectives, levels)
    cells = np.array(list(itertools.product(range(levels), repeat=objectives)))
    covered = (cells[:, None] < points[None]).all(2).any(1)
    assert hypervolume(points, [0] * objectives) == covered.sum()


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_agrees_with_optuna(objectives: int) -> None:
    other = pytest.importorskip("optuna._hypervolume")
    rng = np.random.default_rng(objectives)
    losses = rng.random((30, objectives))
    reference = np.full(objectives, 0.9)
    inside = losses[(losses < reference).all(1)]
    assert hypervolume(-losses, -reference) == pytest.approx(
        other.compute_hypervolume(inside, reference)
    )


def test_hypervolume_of_a_sphere_converges_to_its_closed_form() -> None:
    """Points all over an eighth of the unit sphere cover nearly the whole of it: pi / 6."""
    angles = np.linspace(0, math.pi / 2, 25)[1:-1]
    points = [
        [math.sin(a) * math.cos(b), math.sin(a) * math.sin(b), math.cos(a)]
        for a in angles
        for b in angles
    ]
    volume = hypervolume(points, [0, 0, 0])
    assert 0.9 * math.pi / 6 < volume < math.pi / 6
    assert hypervolume(points[::2], [0, 0, 0]) < volume, "fewer points cover less"


def test_points_that_do_not_beat_the_reference_add_nothing() -> None:
    assert hypervolume([], [0, 0]) == 0.0
    assert hypervolume(np.empty((0, 2)), [0, 0]) == 0.0
    assert hypervolume([[5, -1], [0, 5]], [0, 0]) == 0.0
    assert hypervolume([[1, 1], [5, -1], [1, 1], [math.nan, 7]], [0, 0]) == 1.0


def test_what_is_no_reference_is_an_error() -> None:
    with pytest.raises(ConfigError, match="one number for each objective, got 3 for points of 2"):
        hypervolume([[1, 1]], [0, 0, 0])
    with pytest.raises(ConfigError, match="finite number an objective"):
        hypervolume([[1, 1]], [0, math.inf])
    with pytest.raises(ConfigError, match="rows of numbers"):
        non_dominated([1, 2, 3])


def _study(*rows: tuple[float, float]) -> Study:
    events: list[Event] = [Noted("experiment", {"objectives": ["max accuracy", "min params"]})]
    for number, (accuracy, params) in enumerate(rows):
        metrics = {"accuracy": accuracy, "params": params}
        events.append(Started(number, "search", Architecture({"n": number}), 0))
        events.append(Finished(number, State.DONE, metrics))
    return Study.of(events)


def test_a_study_measures_its_front_from_a_reference_in_the_metrics_own_units() -> None:
    study = _study((0.5, 100), (0.8, 300), (0.4, 200), (math.nan, 1))
    # Two boxes: 0.5 wide and 300 high, and 0.3 more that is 100 high.
    assert study.hypervolume({"accuracy": 0.0, "params": 400}) == pytest.approx(
        0.5 * 300 + 0.3 * 100
    )
    assert study.hypervolume({"accuracy": 0.0}, ["accuracy"]) == pytest.approx(0.8)
    assert study.hypervolume({"accuracy": 0.9, "params": 400}) == 0.0
    assert Study().hypervolume({"accuracy": 0.0}) == 0.0
    with pytest.raises(ConfigError, match="none for 'params': did you mean 'parms'"):
        study.hypervolume({"accuracy": 0.0, "parms": 1.0})
