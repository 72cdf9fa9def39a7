"""NSGA-II against its paper, step by step, and against random search."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Constraint, Objective
from archloom.pareto import crowding, hypervolume, ranks
from archloom.space import Choice, OneOf, Option, Space
from archloom.strategies import Nsga2, Offer, Random, Strategy
from archloom.strategies._nsga2 import Member, survivors, violation_of
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

BOTH = (Objective("accuracy"), Objective("params", "min"))


def end(
    number: int, made: Architecture, metrics: dict[str, float], state: State = State.DONE
) -> Trial:
    return Trial(number, "search", made, 0, state, metrics=metrics)


def members(*points: tuple[float, ...], violations: tuple[float, ...] = ()) -> list[Member]:
    broken = violations or (0.0,) * len(points)
    return [
        Member(number, Architecture({"n": number}), point, violation)
        for number, (point, violation) in enumerate(zip(points, broken, strict=True))
    ]


def test_whole_fronts_live_on_and_of_the_last_one_those_with_most_room() -> None:
    """Five points of a front, of which the second has least room, and two that are dominated."""
    found = survivors(members((0, 10), (1, 9.5), (4, 6), (9, 1), (10, 0), (0, 9), (4, 4)), size=4)
    assert {member.number for member in found} == {0, 2, 3, 4}
    assert [member.rank for member in found] == [0] * 4
    rooms = {member.number: member.room for member in found}
    assert rooms[0] == rooms[4] == math.inf
    assert rooms[2] == pytest.approx(8 / 10 + 8.5 / 10)
    more = survivors(members((0, 10), (10, 0), (0, 9), (9, 0), (0, 0)), size=3)
    assert sorted(member.rank for member in more) == [0, 0, 1]


def test_broken_constraints_come_last_the_least_broken_first() -> None:
    found = survivors(members((0, 0), (9, 9), (8, 8), violations=(0.0, 2.0, 0.5)), size=2)
    assert [member.number for member in found] == [0, 2]


def test_the_violation_is_the_sum_of_excesses_as_shares_of_the_limits() -> None:
    limits = tuple(map(Constraint.parse, ("params <= 100", "flops <= 50", "depth >= 4", "x < 0")))
    made = Architecture({})
    cost = {"params": 150.0, "flops": 40.0, "depth": 3.0, "x": -1.0}
    rejected = end(0, made, cost, State.REJECTED)
    assert violation_of(rejected, limits) == pytest.approx(0.5 + 0.25)
    equal = end(0, made, {"x": 0.0}, State.REJECTED)
    assert 0 < violation_of(equal, limits[3:]) < 1e-9, "a strict limit that is met exactly"
    assert violation_of(end(0, made, {}, State.REJECTED), limits) == math.inf
    assert violation_of(rejected, ()) == math.inf


def test_it_is_the_published_loop_step_by_step() -> None:
    """Fill; binary tournaments by rank and room; cross; mutate; select from both generations."""
    size, seed, space = 6, 5, _line()
    strategy = Nsga2(population=size, crossover=0.7, mutation=0.8, deduplicate=False, seed=seed)
    strategy.accept(Offer(objectives=BOTH))
    strategy.setup(space, BOTH[0], 0)
    parents: list[Member] = []
    children: list[Member] = []
    for number in range(60):
        draws = np.random.default_rng([seed, number])

        def winner(draws: np.random.Generator = draws, parents: list[Member] = parents) -> Member:
            one, two = (parents[place] for place in draws.integers(len(parents), size=2))
            better = two.rank < one.rank or (two.rank == one.rank and two.room > one.room)
            return two if better else one

        if parents:
            parent = winner()
            child = parent.architecture
            if draws.random() < 0.7:
                child = space.cross(child, winner().architecture, draws)
            if draws.random() < 0.8:
                child = space.mutate(child, draws)
            expected = Proposal(child, parent=parent.number)
        else:
            expected = Proposal(space.sample(draws))
        assert strategy.ask(number) == expected
        metrics = _values(expected.architecture)
        strategy.tell(end(number, expected.architecture, metrics))
        gains = (metrics["accuracy"], -metrics["params"])
        children.append(Member(number, expected.architecture, gains, 0.0))
        if len(children) == size:
            parents, children = _selected([*parents, *children], size), []


def _selected(pool: list[Member], size: int) -> list[Member]:
    """The selection again, by sorting all at once."""
    points = np.array([member.gains for member in pool])
    found = ranks(points)
    keys = []
    for place, member in enumerate(pool):
        front = np.flatnonzero(found == found[place])
        room = float(crowding(points[front])[list(front).index(place)])
        keys.append((int(found[place]), -room, place, member))
    keys.sort(key=lambda key: key[:3])
    return [member._replace(rank=rank, room=-room) for rank, room, _, member in keys[:size]]


def _line() -> Space:
    """Eight bits: accuracy counts ones with weights, params counts them all."""
    bit = OneOf((Option(0), Option(1)))
    return Space(tuple(Choice(f"bit{number}", "layer", bit) for number in range(8)))


def _values(made: Architecture) -> dict[str, float]:
    bits = [int(value) for value in made.values()]  # type: ignore[arg-type]
    accuracy = sum(bit * (place + 1) ** 2 for place, bit in enumerate(bits))
    return {"accuracy": float(accuracy), "params": float(sum(bits))}


def _dtlz(made: Architecture) -> dict[str, float]:
    """A front that needs the last six digits at zero, spread by the first."""
    digits = [int(value) / 7 for value in made.values()]  # type: ignore[arg-type]
    away = 1 + sum(digits[1:])
    return {"accuracy": -away * math.cos(digits[0] * math.pi / 2), "params": away * digits[0]}


def _reached(strategy: Strategy, seed: int) -> float:
    digit = OneOf(tuple(map(Option, range(8))))
    space = Space(tuple(Choice(f"digit{number}", "layer", digit) for number in range(7)))
    strategy.accept(Offer(objectives=BOTH))
    strategy.setup(space, BOTH[0], seed)
    points = []
    for number in range(150):
        proposal = strategy.ask(number)
        assert proposal is not None
        metrics = _dtlz(proposal.architecture)
        points.append([metrics["accuracy"], -metrics["params"]])
        strategy.tell(end(number, proposal.architecture, metrics))
    return hypervolume(points, [-4, -4])


def test_its_front_beats_that_of_random_search() -> None:
    evolved = [_reached(Nsga2(), seed) for seed in range(6)]
    drawn = [_reached(Random(), seed) for seed in range(6)]
    spread = math.sqrt((np.var(evolved, ddof=1) + np.var(drawn, ddof=1)) / 6)
    assert (np.mean(evolved) - np.mean(drawn)) / spread > 4  # Welch's t


def test_rejected_trials_lead_towards_what_is_feasible() -> None:
    """Only 1 of 256 bit patterns keeps the limit; the violations show the way."""
    limit = Constraint.parse("params >= 8")
    strategy = Nsga2(population=6)
    strategy.accept(Offer(objectives=BOTH, constraints=(limit,)))
    strategy.setup(_line(), BOTH[0], 3)
    for number in itertools.count():
        proposal = strategy.ask(number)
        assert proposal is not None
        metrics = _values(proposal.architecture)
        if limit.holds(metrics):
            break
        strategy.tell(end(number, proposal.architecture, metrics, State.REJECTED))
    assert number < 80, "at random it would be 128 on average"


def test_failed_trials_are_left_out_and_nan_counts_as_broken() -> None:
    strategy = Nsga2(population=2)
    strategy.accept(Offer(objectives=BOTH))
    space = _line()
    strategy.setup(space, BOTH[0], 0)
    rows = list(itertools.islice(space.enumerate(), 4))
    strategy.tell(end(0, rows[0], {}, State.FAILED))
    strategy.tell(end(1, rows[1], {"accuracy": math.nan, "params": 1.0}))
    assert not strategy._parents
    strategy.tell(end(2, rows[2], {"accuracy": 0.1, "params": 9.0}))
    assert [member.number for member in strategy._parents] == [2, 1]
    with pytest.raises(ConfigError, match="gave no 'params'"):
        strategy.tell(end(3, rows[3], {"accuracy": 0.1}))


def test_without_an_offer_it_evolves_by_the_one_objective() -> None:
    strategy = Nsga2(population=4)
    space = example_spaces()["flat"]
    strategy.setup(space, Objective("loss", "min"), 0)
    for number, made in enumerate(itertools.islice(space.enumerate(), 8)):
        strategy.tell(end(number, made, {"loss": float((number * 5) % 8)}))
    assert sorted(member.gains[0] for member in strategy._parents) == [-3, -2, -1, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population must be an int of at least 2"),
        ({"crossover": 1.5}, "crossover must be a number of at least 0 and at most 1"),
        ({"mutation": "often"}, "mutation must be a number"),
    ],
)
def test_bad_settings_are_errors(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Nsga2(**settings)  # type: ignore[arg-type]
