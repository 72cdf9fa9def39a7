"""Architectures as sequences of decisions, there and back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from archloom.space import Choice, OneOf, Option, SomeOf, Space, integers, log_uniform
from archloom.strategies._decisions import Decisions
from archloom.testing import example_spaces


@pytest.mark.parametrize("name", list(example_spaces()))
def test_reading_what_was_written_gives_the_same_decisions(name: str) -> None:
    space = example_spaces()[name]
    decisions = Decisions(space, bins=4)
    rng = np.random.default_rng(0)
    for _ in range(30):
        taken: list[tuple[str, int]] = []

        def choose(key: str, odds: Sequence[float], taken: list[tuple[str, int]] = taken) -> int:
            assert decisions.counts[key] == len(odds) >= 2
            taken.append((key, int(rng.integers(len(odds)))))
            return taken[-1][1]

        made = decisions.write(choose, rng)
        space.check(made)
        assert [(step.key, step.outcome) for step in decisions.read(made)] == taken


def test_every_architecture_can_be_read_and_different_ones_differ() -> None:
    for space in example_spaces().values():
        if space.size < 1000:
            decisions = Decisions(space, bins=10)
            paths = {
                tuple((step.key, step.outcome) for step in decisions.read(made))
                for made in space.enumerate()
            }
            assert len(paths) == space.size


@pytest.mark.parametrize(("low", "high"), [(0, 2), (2, 2), (1, 4), (3, 5)])
def test_by_its_odds_each_subset_is_as_likely_as_the_other(low: int, high: int) -> None:
    domain = SomeOf(tuple(Option(name) for name in "abcde"), low, high)
    space = Space((Choice("inputs", "subset", domain),))
    decisions = Decisions(space, bins=8)
    for made in space.enumerate():
        chance = 0.0
        for step in decisions.read(made):
            chance += step.odds[step.outcome] - math.log(sum(map(math.exp, step.odds)))
        assert math.exp(chance) == pytest.approx(1 / domain.count)


def test_forced_inputs_are_no_decisions() -> None:
    domain = SomeOf((Option("a"), Option("b"), Option("c")), 2, 2)
    space = Space((Choice("inputs", "subset", domain),))
    decisions = Decisions(space, bins=8)
    lengths = {made["inputs"]: len(decisions.read(made)) for made in space.enumerate()}
    assert lengths == {("a", "b"): 2, ("a", "c"): 2, ("b", "c"): 1}


def test_a_number_is_drawn_within_the_part_that_was_decided_for() -> None:
    space = Space(()).joint(units=integers(1, 512, log=True), lr=log_uniform(1e-4, 1.0))
    decisions = Decisions(space, bins=5)
    assert dict(decisions.counts) == {"units": 5, "lr": 5}
    rng = np.random.default_rng(0)
    for part, low, high in ((0, 1e-4, 10**-3.5), (2, 10**-2.5, 10**-1.5), (4, 10**-0.5, 1.0)):
        drawn = [decisions.write(lambda key, odds, p=part: p, rng) for _ in range(50)]  # type: ignore[misc]
        rates = [float(made["lr"]) for made in drawn]  # type: ignore[arg-type]
        assert low <= min(rates) <= max(rates) <= high
        assert len(set(rates)) == 50
        assert all([step.outcome for step in decisions.read(made)] == [part] * 2 for made in drawn)


def test_few_numbers_are_decided_one_by_one() -> None:
    space = Space(()).joint(units=integers(16, 64, step=16))
    decisions = Decisions(space, bins=8)
    rng = np.random.default_rng(0)
    made = [decisions.write(lambda key, odds, p=place: p, rng)["units"] for place in range(4)]  # type: ignore[misc]
    assert made == [16, 32, 48, 64]


def test_a_tied_label_is_decided_once() -> None:
    space = example_spaces()["tied"]
    decisions = Decisions(space, bins=8)
    both = space.complete({"left": "conv", "right": "conv", "kernel": 5})
    assert Counter(step.key for step in decisions.read(both)) == {
        "left": 1,
        "right": 1,
        "kernel": 1,
    }


def test_one_of_several_options_has_equal_odds() -> None:
    space = Space((Choice("op", "layer", OneOf((Option("conv"), Option("skip")))),))
    (step,) = Decisions(space, bins=2).read(space.complete({"op": "skip"}))
    assert step == ("op", 1, (0.0, 0.0))
