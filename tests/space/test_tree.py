"""Options, domains of options and choices: what they refuse and what tells them apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archloom.errors import SpaceError
from archloom.space import Choice, OneOf, Option, SomeOf


def one_of(*values: object) -> OneOf:
    return OneOf(tuple(Option(value) for value in values))  # type: ignore[arg-type]


def test_values_of_different_type_are_different_options() -> None:
    domain = one_of(1, 1.0, True, "1")
    assert domain.count == 4
    assert len({*domain.options}) == 4
    assert [domain.fault(value) for value in (1, 1.0, True, "1")] == [None] * 4
    assert one_of(1).fault(True) is not None
    assert one_of(True).fault(1) is not None
    assert one_of((1, 0)).fault((True, False)) is not None


def test_one_of_moves_to_the_other_type() -> None:
    domain = one_of(1, True)
    rng = np.random.default_rng(0)
    assert domain.other(1, rng) is True
    assert list(domain.near(True)) == [1]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ((), "at least one option"),
        ((Option("a"), Option("b"), Option("a")), "'a' twice"),
        (("a",), r"Option\('a'\)"),
    ],
)
def test_bad_options_are_refused(options: tuple[Option, ...], rule: str) -> None:
    with pytest.raises(SpaceError, match=rule):
        OneOf(options)
    with pytest.raises(SpaceError, match=rule):
        SomeOf(options, 1, 1)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (2, 1), (0, 4), (0, 0), (1.0, 2), (True, 2)])
def test_bad_subset_sizes_are_refused(low: int, high: int) -> None:
    with pytest.raises(SpaceError, match=r"low|high"):
        SomeOf((Option("a"), Option("b"), Option("c")), low, high)


@pytest.mark.parametrize("value", [object(), {"a": 1}, math.nan, [math.inf]])
def test_options_hold_plain_data_only(value: object) -> None:
    with pytest.raises(SpaceError):
        Option(value)  # type: ignore[arg-type]


def test_lists_and_numpy_scalars_become_plain() -> None:
    assert Option([1, [2]]).value == (1, (2,))  # type: ignore[arg-type]
    assert type(Option(np.int64(3)).value) is int  # type: ignore[arg-type]
    assert type(Option(np.float64(0.5)).value) is float


@pytest.mark.parametrize("label", ["", None, 3])
def test_labels_are_texts(label: str) -> None:
    with pytest.raises(SpaceError, match="label"):
        Choice(label, "value", one_of(1))


def test_kinds_and_domains_are_checked() -> None:
    with pytest.raises(SpaceError, match="kind of choice 'a'"):
        Choice("a", "layers", one_of(1))  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match="needs a domain"):
        Choice("a", "value", [1, 2])  # type: ignore[arg-type]


def test_a_wrong_text_gets_the_nearest_option() -> None:
    assert "did you mean 'conv3'" in str(one_of("conv3", "skip").fault("conv_3"))
    assert "16, 32" in str(one_of(16, 32).fault(24))


def test_all_subsets_in_order() -> None:
    domain = SomeOf(one_of("a", "b", "c").options, 0, 2)
    listed = list(domain.values())
    assert listed == [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    assert domain.count == 7
    assert domain.default == ()


@pytest.mark.parametrize(
    "value", ["a", ("b", "a"), ("a", "a"), ("a", "x"), (), ("a", "b", "c"), ["a"], None]
)
def test_subsets_keep_order_and_size(value: object) -> None:
    domain = SomeOf(one_of("a", "b", "c").options, 1, 2)
    assert "in that order" in str(domain.fault(value))  # type: ignore[arg-type]


def test_neighbours_of_a_subset_swap_add_or_drop_one() -> None:
    domain = SomeOf(one_of("a", "b", "c", "d").options, 1, 3)
    near = set(domain.near(("a", "b")))
    swapped = {("b", "c"), ("b", "d"), ("a", "c"), ("a", "d")}
    assert near == swapped | {("a", "b", "c"), ("a", "b", "d")} | {("a",), ("b",)}


def test_all_subsets_are_drawn_equally_often() -> None:
    domain = SomeOf(one_of("a", "b", "c", "d").options, 1, 3)
    rng = np.random.default_rng(0)
    drawn = [domain.draw(rng) for _ in range(14_000)]
    counts = np.array([drawn.count(value) for value in domain.values()])
    assert len(counts) == 14
    chi_square = float(((counts - 1000) ** 2 / 1000).sum())
    assert chi_square < 34.53  # 99.9 % of the chi-square distribution with 13 degrees of freedom


def test_options_are_drawn_equally_often() -> None:
    domain = one_of(*"abcde")
    rng = np.random.default_rng(1)
    drawn = [domain.draw(rng) for _ in range(10_000)]
    others = [domain.other("c", rng) for _ in range(10_000)]
    fives = np.array([drawn.count(value) for value in "abcde"])
    fours = np.array([others.count(value) for value in "abde"])
    assert others.count("c") == 0
    assert ((fives - 2000) ** 2 / 2000).sum() < 18.47  # 99.9 %, 4 degrees of freedom
    assert ((fours - 2500) ** 2 / 2500).sum() < 16.27  # 99.9 %, 3 degrees of freedom
