"""Exact counting where listing is out of the question: counts known in closed form."""

from __future__ import annotations

import math

import pytest

from archloom.space import Choice, Domain, Floats, Integers, OneOf, Option, SomeOf, Space


def choice(label: str, *options: Option | object) -> Choice:
    made = tuple(there if isinstance(there, Option) else Option(there) for there in options)  # type: ignore[arg-type]
    return Choice(label, "value", OneOf(made))


def range_of(label: str, domain: Domain) -> Choice:
    return Choice(label, "value", domain)


def test_the_78_points() -> None:
    blocks = tuple(choice(f"body.{n}.op", "conv3", "conv5", "skip") for n in range(3))
    body = choice("body", *(Option(n, blocks[:n]) for n in (1, 2, 3)))
    assert Space((choice("width", 16, 32), body)).size == 2 * (3 + 9 + 27)


def test_nas_bench_201_has_15625() -> None:
    assert Space(tuple(choice(f"edge{n}", *"abcde") for n in range(6))).size == 15_625


def test_the_course_space() -> None:
    """conv_layers 1..5, numhidden 16..512, dropout {0, .2, .5, .8}."""
    layers = Choice("conv_layers", "repeat", Integers(1, 5))
    space = Space((layers,)).joint(numhidden=Integers(16, 512), dropout=[0.0, 0.2, 0.5, 0.8])
    assert space.size == 5 * 497 * 4


def test_an_empty_space_has_one_point() -> None:
    assert Space(()).size == 1
    assert [dict(point) for point in Space(()).enumerate()] == [{}]


def test_a_label_at_two_roots_counts_once() -> None:
    assert Space((choice("a", 1, 2, 3), choice("a", 1, 2, 3))).size == 3


def test_ties_between_branches_that_may_both_be_active() -> None:
    """Kernel met by neither branch 2 x 2 ways, by one or both (9 - 4) ways, times 3 values."""
    kernel = choice("kernel", 3, 5, 7)
    branch = Option("conv", (kernel,)), Option("pool"), Option("skip")
    space = Space((choice("left", *branch), choice("right", *branch)))
    assert space.size == 4 + (9 - 4) * 3


def test_a_large_domain_behind_ties_is_fast_and_exact() -> None:
    """60 blocks, each of which may open its own kernel (497 values) and the shared activation."""
    activation = choice("act", "relu", "gelu")
    blocks = [
        choice(
            f"b{n}",
            Option("conv", (activation, range_of(f"b{n}.k", Integers(3, 499)))),
            "skip",
            "pool",
        )
        for n in range(60)
    ]
    assert Space(tuple(blocks)).size == 2 * 499**60 - 2**60


def test_a_tied_number_counts_its_values() -> None:
    rate = range_of("rate", Integers(1, 497))
    branch = Option("on", (rate,)), Option("off")
    assert Space((choice("a", *branch), choice("b", *branch))).size == 1 + 3 * 497


def test_subsets_of_options_that_open_choices() -> None:
    """Each of 30 options is left out or taken with one of 5 inner values; not all left out."""
    options = tuple(Option(n, (choice(f"o{n}", *"abcde"),)) for n in range(30))
    space = Space((Choice("s", "subset", SomeOf(options, 1, 30)),))
    assert space.size == 6**30 - 1


def test_subsets_of_options_that_open_the_same_choice() -> None:
    shared = choice("act", "relu", "gelu")
    options = tuple(Option(n, (shared,)) for n in range(30))
    space = Space((Choice("s", "subset", SomeOf(options, 1, 30)),))
    assert space.size == 2 * (2**30 - 1)


def test_one_label_that_opens_different_choices_at_two_places() -> None:
    """One depth for encoder and decoder: a tied decision, each side with its own blocks."""

    def tower(name: str) -> Choice:
        blocks = tuple(choice(f"{name}.{n}", "x", "y") for n in range(2))
        return choice("depth", Option(1, blocks[:1]), Option(2, blocks))

    space = Space((tower("encoder"), tower("decoder")))
    assert space.size == 2**2 + 2**4
    assert len(set(space.enumerate())) == 20
    assert set(space.default()) == {"depth", "encoder.0", "decoder.0"}


def test_floats_make_a_space_infinite() -> None:
    space = Space((choice("a", 1, 2), range_of("lr", Floats(0, 1))))
    assert space.size == math.inf
    assert space.count(points=5) == 10


def test_floats_that_no_point_reaches_do_not() -> None:
    """Within a=1 the tied a cannot be 2, so the float behind it is never active."""
    inner = choice("a", 1, Option(2, (range_of("lr", Floats(0, 1)),)))
    outer = choice("a", Option(1, (choice("b", Option("again", (inner,)), "end"),)), 2)
    assert Space((outer,)).size == 3
    assert Space((outer,)).count(points=9) == 3


@pytest.mark.parametrize("points", [1, 2, 3, 50])
def test_points_limit_numbers_only(points: int) -> None:
    space = Space((choice("a", *range(7)), range_of("n", Integers(1, 10))))
    assert space.count(points) == 7 * min(points, 10) == len(list(space.enumerate(points)))
