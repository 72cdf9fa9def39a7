"""The prior of random search and evolution, and architectures that a screening offers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError, InvalidArchitecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies import Evolution, Offer, Random, Strategy
from archloom.testing import example_spaces
from archloom.trial import State, Trial

ACCURACY = Objective("accuracy")
WIDE = Space(()).joint(**{f"op{place}": ["conv", "skip", "pool"] for place in range(8)})
BELIEF = {"op*": {"conv": 8, "pool": 0}}


def search(strategy: Strategy, space: Space, trials: int) -> list[Architecture]:
    strategy.setup(space, ACCURACY, 0)
    met: list[Architecture] = []
    for number in range(trials):
        proposal = strategy.ask(number)
        if proposal is None:
            break
        met.append(proposal.architecture)
        trial = Trial(number, "search", proposal.architecture, 0, parent=proposal.parent)
        strategy.tell(trial)
        strategy.tell(replace(trial, state=State.DONE, metrics={"accuracy": 0.5}))
    return met


def test_random_search_draws_from_the_prior() -> None:
    met = search(Random(prior=BELIEF, deduplicate=False), WIDE, 300)
    counts = Counter(value for point in met for value in point.values())
    assert counts["pool"] == 0
    assert counts["conv"] / 2400 == pytest.approx(8 / 9, abs=0.02)


def test_what_a_prior_rules_out_comes_last_but_comes() -> None:
    space = example_spaces()["conditional"]
    met = search(Random(prior={"width": {"32": 0}}), space, 100)
    assert len(met) == len(set(met)) == 78
    late = [point["width"] for point in met].index(32)
    assert late >= 30  # half of the 78 have width 16


def test_evolution_begins_with_the_prior_and_mutates_by_it() -> None:
    met = search(Evolution(population=10, sample=3, prior=BELIEF), WIDE, 60)
    assert met[0] == Architecture({f"op{place}": "conv" for place in range(8)})
    assert not any("pool" in point.values() for point in met)
    assert len(set(met)) == 60


@pytest.mark.parametrize("make", [Random, Evolution])
def test_offered_architectures_come_first(make: type[Random] | type[Evolution]) -> None:
    points = tuple(WIDE.enumerate())[100:103]
    strategy = make()
    strategy.accept(Offer(first=(*points, points[0])))
    met = search(strategy, WIDE, 6)
    assert tuple(met[:3]) == points
    assert len(set(met)) == 6
    outside = make()
    outside.accept(Offer(first=(Architecture({"op0": "conv"}),)))
    with pytest.raises(InvalidArchitecture):
        outside.setup(WIDE, ACCURACY, 0)


@pytest.mark.parametrize("make", [Random, Evolution])
def test_a_prior_of_another_space_is_an_error_at_start(
    make: type[Random] | type[Evolution],
) -> None:
    strategy = make(prior={"opp0": {"conv": 2}})
    with pytest.raises(ConfigError, match="did you mean 'op0'"):
        strategy.setup(WIDE, ACCURACY, 0)
