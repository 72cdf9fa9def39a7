"""Ranges of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archloom.errors import SpaceError
from archloom.space import Floats, Integers, integers, log_uniform, uniform


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: integers(3, 3), "low < high"),
        (lambda: integers(5, 3), "low < high"),
        (lambda: integers(0, 8, log=True), "low > 0"),
        (lambda: integers(1, 8, step=0), "step"),
        (lambda: integers(1, 8, step=8), "step"),
        (lambda: integers(1.0, 8), "low must be an int"),  # type: ignore[arg-type]
        (lambda: integers(True, 8), "low must be an int"),
        (lambda: integers(1, 8, log="yes"), "true or false"),  # type: ignore[arg-type]
        (lambda: uniform(1, 1), "low < high"),
        (lambda: uniform(0, math.inf), "finite"),
        (lambda: uniform(math.nan, 1), "finite"),
        (lambda: uniform("0", 1), "finite"),  # type: ignore[arg-type]
        (lambda: log_uniform(0, 1), "low > 0"),
        (lambda: log_uniform(-1, 1), "low > 0"),
    ],
)
def test_bad_ranges_are_refused(make: Callable[[], Any], rule: str) -> None:
    with pytest.raises(SpaceError, match=rule):
        make()


def test_whole_numbers_in_steps_stop_below_high() -> None:
    domain = Integers(1, 10, step=4)
    assert list(domain.values()) == [1, 5, 9]
    assert domain.count == 3
    assert domain.fault(9) is None
    for value in (10, 0, 13, 5.0, True, "5"):
        assert domain.fault(value) is not None


def test_floats_refuse_ints_so_that_one_model_has_one_architecture() -> None:
    domain = Floats(0, 2)
    assert domain.fault(1.0) is None
    assert domain.fault(1) is not None
    assert domain.fault(2.5) is not None


@pytest.mark.parametrize(
    ("domain", "points", "values"),
    [
        (Integers(0, 100), 5, [0, 25, 50, 75, 100]),
        (Integers(0, 100), 1, [50]),
        (Integers(16, 512, 16), 3, [16, 272, 512]),
        (Integers(1, 1000, log=True), 4, [1, 10, 100, 1000]),
        (Integers(1, 10, log=True), 8, [1, 2, 3, 4, 5, 6, 7, 10]),
        (Integers(1, 4), 9, [1, 2, 3, 4]),
        (Floats(0, 1), 3, [0.0, 0.5, 1.0]),
        (Floats(0.1, 0.3), 2, [0.1, 0.3]),
    ],
)
def test_points_are_evenly_spaced(
    domain: Integers | Floats, points: int, values: list[float]
) -> None:
    assert list(domain.values(points)) == values


def test_log_spaced_points_have_even_ratios_and_exact_ends() -> None:
    listed = list(Floats(1e-5, 1e-1, log=True).values(5))
    assert listed == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert (listed[0], listed[-1]) == (1e-5, 1e-1)


@pytest.mark.parametrize("count", [2, 3, 7, 50, 99])
def test_log_spaced_whole_numbers_are_as_many_as_asked_for(count: int) -> None:
    listed = list(Integers(1, 100, log=True).values(count))
    assert len(set(listed)) == count
    assert listed == sorted(listed)
    assert (listed[0], listed[-1]) == (1, 100)


def test_floats_cannot_be_listed_without_points() -> None:
    with pytest.raises(SpaceError, match=r"enumerate\(points=5\)"):
        next(Floats(0, 1).values())


def test_log_uniform_gives_each_decade_the_same_share() -> None:
    domain = log_uniform(1e-4, 1e-1)
    rng = np.random.default_rng(0)
    decades = np.floor(np.log10([domain.draw(rng) for _ in range(3000)])).astype(int) + 4
    counts = np.bincount(decades, minlength=3)
    assert ((counts - 1000) ** 2 / 1000).sum() < 13.82  # 99.9 %, 2 degrees of freedom


def test_log_whole_numbers_fall_off_as_one_over_n() -> None:
    domain = Integers(1, 7, log=True)
    rng = np.random.default_rng(0)
    drawn = np.bincount([domain.draw(rng) for _ in range(8000)], minlength=8)[1:]
    expected = 8000 * np.log([(n + 1) / n for n in range(1, 8)]) / math.log(8)
    assert ((drawn - expected) ** 2 / expected).sum() < 22.46  # 99.9 %, 6 degrees of freedom


def test_draws_stay_inside_and_on_the_grid() -> None:
    rng = np.random.default_rng(0)
    for domain in (Integers(-7, 9, 3), Integers(3, 50, 7, log=True), Integers(-(10**30), 10**30)):
        drawn = [domain.draw(rng) for _ in range(300)]
        assert [domain.fault(value) for value in drawn] == [None] * 300
        assert all(domain.other(value, rng) != value for value in drawn)
    huge = Floats(-1.7e308, 1.7e308)
    assert all(huge.fault(huge.draw(rng)) is None for _ in range(300))
    assert huge.share(0.0) == 0.5


def test_neighbours_of_a_number() -> None:
    assert sorted(Integers(0, 100).near(50)) == [40, 49, 51, 60]
    assert sorted(Integers(0, 100).near(0)) == [1, 10]
    assert sorted(Integers(0, 100, 25).near(50)) == [25, 75]
    assert sorted(Integers(1, 1024, log=True).near(32)) == [16, 31, 33, 64]
    assert sorted(Floats(0, 10).near(5.0)) == pytest.approx([4, 6])
    assert list(Floats(0, 10).near(10.0)) == pytest.approx([9])
    assert sorted(Floats(1e-5, 1e5, log=True).near(1.0)) == pytest.approx([0.1, 10])


def test_share_runs_from_zero_to_one() -> None:
    assert [Integers(1, 100, log=True).share(n) for n in (1, 10, 100)] == pytest.approx([0, 0.5, 1])
    assert [Integers(10, 20).share(n) for n in (10, 15, 20)] == [0, 0.5, 1]


@pytest.mark.parametrize(
    "domain", [Integers(1, 9), Integers(16, 64, step=7), Integers(1, 300, log=True)]
)
def test_at_undoes_share(domain: Integers) -> None:
    assert [domain.at(domain.share(value)) for value in domain.values()] == list(domain.values())
    assert domain.at(-0.5) == domain.low
    assert domain.at(1.5) == list(domain.values())[-1]


def test_floats_lie_where_a_share_says() -> None:
    domain = log_uniform(1e-4, 1e-2)
    assert [domain.at(share) for share in (-1, 0, 0.5, 1, 2)] == pytest.approx(
        [1e-4, 1e-4, 1e-3, 1e-2, 1e-2]
    )
