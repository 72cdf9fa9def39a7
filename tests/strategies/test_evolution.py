"""Regularized evolution against its algorithm as published, and against random search."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import InvalidArchitecture
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space
from archloom.strategies import Evolution, Random, Strategy
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")


def cell() -> Space:
    operation = OneOf(tuple(Option(number) for number in range(5)))
    return Space(tuple(Choice(f"edge{number}", "layer", operation) for number in range(6)))


def end(proposal: Proposal, number: int, score: float, state: State = State.DONE) -> Trial:
    return Trial(
        number,
        "search",
        proposal.architecture,
        0,
        state,
        parent=proposal.parent,
        metrics={"accuracy": score} if state.scored else {},
    )


def one_max(architecture: Architecture) -> float:
    """How many of the six edges have operation 4."""
    return float(sum(value == 4 for value in architecture.values()))


def best_of(strategy: Strategy, trials: int) -> float:
    strategy.setup(cell(), ACCURACY, 0)
    best = -math.inf
    for number in range(trials):
        proposal = strategy.ask(number)
        assert proposal is not None
        best = max(best, one_max(proposal.architecture))
        strategy.tell(end(proposal, number, one_max(proposal.architecture)))
    return best


def test_it_beats_random_search_at_equal_cost() -> None:
    """One-max on 6 x 5: a landscape with one top that single mutations climb."""
    seeds = range(40)
    evolved = np.array([best_of(Evolution(seed=seed), 100) for seed in seeds])
    drawn = np.array([best_of(Random(seed=seed), 100) for seed in seeds])
    spread = math.sqrt(evolved.var(ddof=1) / len(seeds) + drawn.var(ddof=1) / len(seeds))
    assert (evolved.mean() - drawn.mean()) / spread > 5  # Welch's t
    # The best of 100 draws has k or more hits with probability 1 - P(X < k)^100, X ~ B(6, 1/5).
    mass = [math.comb(6, k) * 0.2**k * 0.8 ** (6 - k) for k in range(7)]
    expected = sum(1 - sum(mass[:k]) ** 100 for k in range(1, 7))
    assert drawn.mean() == pytest.approx(expected, abs=0.35)


def test_it_is_algorithm_1_step_by_step() -> None:
    """The published loop, written out: fill; sample; mutate the best; the oldest dies."""
    size, sample, seed, space = 7, 3, 11, cell()
    strategy = Evolution(population=size, sample=sample, deduplicate=False, seed=seed)
    strategy.setup(space, ACCURACY, 0)
    scores = np.random.default_rng(0).random(200)
    population: deque[tuple[int, Architecture, float]] = deque()
    for number in range(200):
        draws = np.random.default_rng([seed, number])
        if len(population) < size:
            expected = Proposal(space.sample(draws))
        else:
            tournament = [population[place] for place in draws.integers(size, size=sample)]
            parent = max(tournament, key=lambda member: member[2])
            expected = Proposal(space.mutate(parent[1], draws), parent=parent[0])
        assert strategy.ask(number) == expected
        strategy.tell(end(expected, number, scores[number]))
        population.append((number, expected.architecture, scores[number]))
        if len(population) > size:
            population.popleft()


def test_age_is_the_order_of_ending() -> None:
    """With a tournament of one, parents are spread over all living members and nobody else."""
    strategy = Evolution(population=3, sample=1, deduplicate=False)
    strategy.setup(cell(), ACCURACY, 0)
    rng = np.random.default_rng(0)
    trials = [end(Proposal(cell().sample(rng)), number, 0.5) for number in range(5)]
    for number in (4, 0, 3, 1, 2):
        strategy.tell(trials[number])
    parents = {proposal.parent for n in range(100) if (proposal := strategy.ask(n)) is not None}
    assert parents == {3, 1, 2}


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED, State.RUNNING])
def test_trials_without_a_score_are_no_parents_but_are_not_repeated(state: State) -> None:
    space = example_spaces()["conditional"]
    strategy = Evolution(population=2, sample=2)
    strategy.setup(space, ACCURACY, 0)
    points = list(space.enumerate())
    for number, point in enumerate(points[:60]):
        strategy.tell(end(Proposal(point), number, 0.0, state))
    for number in (60, 61):
        proposal = strategy.ask(number)
        assert proposal is not None
        assert proposal.parent is None
        assert proposal.architecture not in points[:60]
        strategy.tell(end(proposal, number, 0.5))
    proposal = strategy.ask(62)
    assert proposal is not None
    assert proposal.parent in (60, 61, None)
    assert proposal.architecture not in points[:60]


def test_stopped_trials_join() -> None:
    strategy = Evolution(population=1, sample=1)
    strategy.setup(cell(), ACCURACY, 0)
    strategy.tell(end(Proposal(cell().default()), 0, 0.5, State.STOPPED))
    proposal = strategy.ask(1)
    assert proposal is not None
    assert proposal.parent == 0


def test_nan_loses_every_tournament() -> None:
    strategy = Evolution(population=4, sample=4, deduplicate=False)
    strategy.setup(cell(), Objective("accuracy", "min"), 0)
    rng = np.random.default_rng(0)
    for number, score in enumerate((math.nan, 0.3, math.nan, 0.9)):
        strategy.tell(end(Proposal(cell().sample(rng)), number, score))
    parents = [proposal.parent for n in range(300) if (proposal := strategy.ask(n)) is not None]
    # With replacement: all four draws are NaN once in 2^4; the lower loss wins otherwise, unless
    # it was not drawn (3/4)^4.
    assert parents.count(1) == pytest.approx(300 * (1 - 0.75**4), abs=40)
    assert parents.count(0) + parents.count(2) == pytest.approx(300 / 16, abs=17)


def test_crossing_mixes_two_members() -> None:
    strategy = Evolution(population=2, sample=1, crossover=1.0)
    space = Space(tuple(Choice(f"e{n}", "layer", OneOf((Option(0), Option(1)))) for n in range(20)))
    strategy.setup(space, ACCURACY, 0)
    for number in (0, 1):
        point = Architecture({f"e{n}": number for n in range(20)})
        strategy.tell(end(Proposal(point), number, 0.5))
    ones = [
        sum(map(int, proposal.architecture.values()))  # type: ignore[arg-type]
        for n in range(2, 200)
        if (proposal := strategy.ask(n)) is not None
    ]
    assert any(5 < count < 15 for count in ones)  # one mutation alone gives 1 or 19


def test_the_population_may_begin_with_given_architectures() -> None:
    given = tuple({f"edge{n}": value for n in range(6)} for value in (4, 2))
    strategy = Evolution(population=3, sample=1, first=given)
    strategy.setup(cell(), ACCURACY, 0)
    asked = []
    for number in range(4):
        proposal = strategy.ask(number)
        assert proposal is not None
        asked.append(proposal)
        strategy.tell(end(proposal, number, 1.0))
    assert [dict(proposal.architecture) for proposal in asked[:2]] == list(given)
    assert asked[2].parent is None
    assert asked[3].parent is not None


def test_given_architectures_must_be_points_of_the_space() -> None:
    with pytest.raises(InvalidArchitecture, match="edge0"):
        Evolution(first=({"edge0": 9},)).setup(cell(), ACCURACY, 0)
