"""Scalarized and Lexicographic: what they tell the strategy inside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies import Evolution, Lexicographic, Offer, Scalarized, Strategy
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

BOTH = (Objective("accuracy"), Objective("params", "min"))
SPACE = Space(()).joint(n=list(range(20)))


@dataclass
class Listener(Strategy):
    """Keeps the gain of each scored trial that it was told since its setup."""

    seed: int | None = None

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self.heard: dict[int, float] = {}

    def ask(self, number: int) -> Proposal | None:
        return Proposal(self._space.sample(self._rng(number)))

    def tell(self, trial: Trial) -> None:
        gain = self._gain(trial)
        if gain is not None:
            self.heard[trial.number] = gain


def heard(strategy: Strategy, listener: Listener, rows: list[tuple[float, float]]) -> list[float]:
    strategy.accept(Offer(objectives=BOTH))
    strategy.setup(SPACE, BOTH[0], 0)
    for number, (accuracy, params) in enumerate(rows):
        made = SPACE.complete({"n": number})
        strategy.tell(Trial(number, "search", made, 0))
        metrics = {"accuracy": accuracy, "params": params}
        strategy.tell(Trial(number, "search", made, 0, State.DONE, metrics=metrics))
    return [listener.heard[number] for number in range(len(rows))]


ROWS = [(0.5, 300.0), (0.9, 500.0), (0.7, 100.0), (0.6, 200.0)]
UNITS = [(0.0, 0.5), (1.0, 0.0), (0.5, 1.0), (0.25, 0.75)]  # the same from worst to best


def test_the_weighted_sum_of_units() -> None:
    inner = Listener()
    told = heard(Scalarized(inner, weights={"accuracy": 3}), inner, ROWS)
    assert told == pytest.approx([0.75 * a + 0.25 * p for a, p in UNITS])


def test_the_chebyshev_distance_to_the_best() -> None:
    inner = Listener()
    told = heard(Scalarized(inner, how="chebyshev"), inner, ROWS)
    missing = [((1 - a) / 2, (1 - p) / 2) for a, p in UNITS]
    assert told == pytest.approx([-max(pair) - 0.05 * sum(pair) for pair in missing])


def test_chebyshev_finds_what_no_weighted_sum_can() -> None:
    """The middle of a front that is bent inwards is best for no weights of a sum."""
    rows = [(0.0, 0.0), (0.4, 0.6), (1.0, 1.0)]
    for weight in (0.2, 0.5, 0.8, 1.0, 2.0, 5.0):
        inner = Listener()
        told = heard(Scalarized(inner, weights={"accuracy": weight}), inner, rows)
        assert max(told) > told[1]
    inner = Listener()
    told = heard(Scalarized(inner, how="chebyshev"), inner, rows)
    assert max(told) == told[1]


def test_fixed_ranges_do_not_move() -> None:
    inner = Listener()
    ranges = {"accuracy": [0.0, 1.0], "params": [0, 1000]}
    told = heard(Scalarized(inner, ranges=ranges), inner, ROWS)
    assert told == pytest.approx([(a + 1 - p / 1000) / 2 for a, p in ROWS])
    strategy = Scalarized(inner, ranges={"accuracy": [0.0, 1.0]})
    half = heard(strategy, inner, ROWS)
    assert half == pytest.approx([(a + p) / 2 for (a, _), (_, p) in zip(ROWS, UNITS, strict=True)])


@pytest.mark.parametrize("wrap", [Scalarized, Lexicographic])
def test_what_is_told_does_not_hang_on_the_order(
    wrap: type[Scalarized] | type[Lexicographic],
) -> None:
    inner = Listener()
    forward = heard(wrap(inner), inner, ROWS)
    backward = heard(wrap(inner), inner, ROWS[::-1])
    assert backward[::-1] == pytest.approx(forward)


@pytest.mark.parametrize("wrap", [Scalarized, Lexicographic])
def test_what_is_not_finite_becomes_the_worst_and_moves_nothing(
    wrap: type[Scalarized] | type[Lexicographic],
) -> None:
    inner = Listener()
    before = heard(wrap(inner), inner, ROWS)
    told = heard(wrap(inner), inner, [*ROWS, (math.nan, 1e-9), (0.8, math.inf)])
    assert told[:4] == pytest.approx(before)
    assert told[4:] == [-math.inf, -math.inf]


def _ordered(rows: list[tuple[float, float]], step: float) -> list[int]:
    """The rule again: steps below the best accuracy, then params."""
    best = max(accuracy for accuracy, _ in rows)
    keys = [(math.floor((best - a) / step + 1e-9), params) for a, params in rows]
    return sorted(range(len(rows)), key=lambda place: keys[place])


def test_the_second_objective_counts_within_the_tolerance_of_the_first() -> None:
    rng = np.random.default_rng(0)
    rows = [(float(a), float(p)) for a, p in zip(rng.random(20), rng.random(20), strict=True)]
    inner = Listener()
    told = heard(Lexicographic(inner, tolerances={"accuracy": 0.2}), inner, rows)
    assert list(np.argsort(-np.array(told))) == _ordered(rows, 0.2)
    assert 0 <= min(told) < max(told) <= 1
    relative = heard(Lexicographic(inner), inner, rows)
    values = [accuracy for accuracy, _ in rows]
    step = (max(values) - min(values)) / 100
    assert list(np.argsort(-np.array(relative))) == _ordered(rows, step)


def test_equal_first_objectives_leave_it_to_the_second() -> None:
    inner = Listener()
    told = heard(Lexicographic(inner), inner, [(0.5, 3.0), (0.5, 1.0), (0.5, 2.0)])
    assert list(np.argsort(-np.array(told))) == [1, 2, 0]


def test_three_objectives_in_their_order() -> None:
    objectives = (Objective("a"), Objective("b"), Objective("c", "min"))
    inner = Listener()
    strategy = Lexicographic(inner, tolerances={"a": 1, "b": 1})
    strategy.accept(Offer(objectives=objectives))
    strategy.setup(SPACE, objectives[0], 0)
    rows = [(3.0, 1.0, 5.0), (3.5, 1.5, 4.0), (3.9, 3.0, 9.0), (1.0, 9.0, 0.0)]
    for number, row in enumerate(rows):
        metrics = dict(zip("abc", row, strict=True))
        made = SPACE.complete({"n": number})
        strategy.tell(Trial(number, "search", made, 0, State.DONE, metrics=metrics))
    order = sorted(inner.heard, key=lambda number: -inner.heard[number])
    # a: 3.9 and 3.5, 3.0 within 1 of the best; b of these: 3.0, then 1.5 and 1.0 a step below
    assert order == [2, 1, 0, 3]


def test_the_inner_strategy_works_as_alone_with_one_objective() -> None:
    space = example_spaces()["conditional"]
    alone, wrapped = (
        Evolution(population=6, sample=3),
        Scalarized({"name": "evolution", "population": 6, "sample": 3}),
    )
    for strategy in (alone, wrapped):
        strategy.setup(space, BOTH[0], 4)
    for number in range(40):
        proposal = alone.ask(number)
        assert proposal is not None
        assert wrapped.ask(number) == proposal
        score = int(proposal.architecture.key, 16) % 1000 / 1000
        metrics: Mapping[str, float] = {"accuracy": score}
        trial = Trial(number, "search", proposal.architecture, 0, State.DONE, metrics=metrics)
        for strategy in (alone, wrapped):
            strategy.tell(trial)


def test_failed_trials_are_told_on() -> None:
    strategy = Scalarized("random")
    space = Space(()).joint(width=[16, 32])
    strategy.setup(space, BOTH[0], 0)
    strategy.tell(Trial(0, "search", Architecture({"width": 16}), 0, State.FAILED, error="x"))
    strategy.tell(Trial(1, "search", Architecture({"width": 32}), 0, State.REJECTED))
    assert strategy.ask(2) is None


def test_a_missing_metric_is_an_error() -> None:
    strategy = Lexicographic("random")
    strategy.accept(Offer(objectives=BOTH))
    strategy.setup(SPACE, BOTH[0], 0)
    made = SPACE.default()
    with pytest.raises(ConfigError, match="gave no 'params'"):
        strategy.tell(Trial(0, "search", made, 0, State.DONE, metrics={"accuracy": 0.5}))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (
            Scalarized("random", weights={"acuracy": 1}),
            "'acuracy' is none: did you mean 'accuracy'",
        ),
        (Scalarized("random", ranges={"size": [0, 1]}), "ranges may name objectives"),
        (Scalarized("random", weights={"accuracy": 0, "params": 0}), "weight must be above 0"),
        (Lexicographic("random", tolerances={"parms": 1}), "did you mean 'params'"),
    ],
)
def test_names_that_are_no_objectives_are_errors_at_start(strategy: Strategy, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        strategy.accept(Offer(objectives=BOTH))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": {"accuracy": -1}}, r"weights\[accuracy\] must be a number of at least 0"),
        ({"weights": [1, 2]}, "weights is a mapping"),
        ({"how": "product"}, "how must be 'linear' or 'chebyshev'"),
        ({"ranges": {"params": [5, 1]}}, "low < high, 'params' has"),
        ({"ranges": [0, 1]}, "ranges is a mapping"),
        ({"strategy": "evolutoin"}, "did you mean 'evolution'"),
    ],
)
def test_bad_settings_of_scalarized_are_errors(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Scalarized(**settings)  # type: ignore[arg-type]


def test_a_tolerance_of_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'accuracy' has 0"):
        Lexicographic(tolerances={"accuracy": 0})
