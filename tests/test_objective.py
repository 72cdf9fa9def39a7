"""Objectives and constraints: parsing, comparing, keeping limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import Constraint, Objective
from archloom.errors import ConfigError
from archloom.objective import dominates


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("accuracy", "max"),
        ("auc", "max"),
        ("loss", "min"),
        ("valid_loss", "min"),
        ("top1_error", "min"),
        ("rmse", "min"),
        ("params", "min"),
        ("flops", "min"),
        ("latency_ms", "min"),
        ("cost.seconds", "min"),
        ("lossless", "max"),
        ("glossiness", "max"),
        ("terror", "max"),
        ("log_loss", "min"),
        ("calibration_error", "min"),
        ("mae", "min"),
        ("price.rmse", "min"),
        ("price.r2", "max"),
        ("loss.accuracy", "max"),
        ("mae[left]", "min"),
        ("auc[error]", "max"),
        ("kind.average_precision[loss]", "max"),
        ("f1", "max"),
        ("quadratic_kappa", "max"),
    ],
)
def test_without_a_direction_losses_and_costs_are_minimised(text: str, direction: str) -> None:
    assert Objective.parse(text) == Objective(text, direction)  # type: ignore[arg-type]


def test_a_direction_can_be_said() -> None:
    assert Objective.parse("max loss") == Objective("loss", "max")
    assert Objective.parse("  min   accuracy ") == Objective("accuracy", "min")
    assert Objective.parse("min top-1") == Objective("top-1", "min")
    assert Objective.parse(Objective("x", "min")) == Objective("x", "min")
    for objective in (Objective("loss"), Objective("a.b", "min")):
        assert Objective.parse(str(objective)) == objective


@pytest.mark.parametrize("text", ["", "  ", "accuracy max", "minimise params", "max a b", "a b"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="METRIC"):
        Objective.parse(text)


def test_a_direction_must_be_one_of_two() -> None:
    with pytest.raises(ConfigError, match="'maximum'"):
        Objective("accuracy", "maximum")  # type: ignore[arg-type]


def test_better_and_gain() -> None:
    high, low = Objective("a"), Objective("a", "min")
    assert high.better(2, 1)
    assert low.better(1, 2)
    assert not high.better(1, 1)
    for objective in (high, low):
        assert not objective.better(math.nan, math.nan)
        assert not objective.better(math.nan, 1)
        assert objective.better(1, math.nan)
        assert objective.gain(math.nan) == -math.inf


_NUMBERS = st.integers(-3, 3).map(float)


@given(st.tuples(_NUMBERS, _NUMBERS), st.tuples(_NUMBERS, _NUMBERS))
def test_dominates_is_nowhere_worse_and_somewhere_better(
    first: tuple[float, float], second: tuple[float, float]
) -> None:
    objectives = (Objective("a"), Objective("b", "min"))
    one, two = ({"a": a, "b": b} for a, b in (first, second))
    expected = first[0] >= second[0] and first[1] <= second[1] and first != second
    assert dominates(one, two, objectives) == expected
    assert not (dominates(one, two, objectives) and dominates(two, one, objectives))


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("params <= 100_000", 100_000),
        ("params<=100,000", 100_000),
        ("params <= 1,234,567", 1_234_567),
        ("params <= 1e6", 1e6),
        ("params <= 2.5E+3", 2500),
        ("latency_ms < 0.5", 0.5),
        ("accuracy >= .5", 0.5),
        ("gain > -3", -3),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, limit: float) -> None:
    constraint = Constraint.parse(text)
    assert constraint.limit == limit
    assert Constraint.parse(str(constraint)) == constraint


@pytest.mark.parametrize(
    "text",
    [
        "params",
        "params <=",
        "params == 3",
        "<= 3",
        "params <= many",
        "accuracy >= 0,5",  # a decimal comma, and no thousand
        "params <= 1,00",
        "params <= 1.2.3",
        "params <= nan",
        "params <= 1e999",
        "params <= 100 000",
    ],
)
def test_a_limit_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="METRIC <= NUMBER"):
        Constraint.parse(text)


def test_limits_hold_or_break() -> None:
    at_most, below = Constraint.parse("params <= 10"), Constraint.parse("params < 10")
    assert at_most.holds({"params": 10})
    assert not below.holds({"params": 10})
    assert Constraint.parse("accuracy >= 0.5").holds({"accuracy": 0.5})
    assert not at_most.holds({"params": math.nan})
    with pytest.raises(KeyError):
        at_most.holds({"flops": 1})


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_the_text_of_a_limit_loses_nothing(limit: float) -> None:
    constraint = Constraint("params", "<=", limit)
    assert Constraint.parse(str(constraint)) == constraint
