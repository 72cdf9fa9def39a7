"""NSGA-II: evolution towards the whole front of several objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from archloom.architecture import Architecture
from archloom.objective import Constraint, Objective
from archloom.pareto import crowding, ranks
from archloom.space import Space
from archloom.strategies._fresh import Fresh
from archloom.strategies._strategy import (
    Strategy,
    check_flag,
    check_number,
    check_whole,
    checked_seed,
)
from archloom.trial import Proposal, State, Trial

_TRIES = 50  # children in a row that were tried before, until a random architecture takes over


class Member(NamedTuple):
    """One of the population: its gains, and how far it is beyond the constraints (0: keeps them).

    `rank` and `room`, its front and its crowding distance, are set when it is selected.
    """

    number: int
    architecture: Architecture
    gains: tuple[float, ...]
    violation: float
    rank: int = 0
    room: float = 0.0


@dataclass
class Nsga2(Strategy):
    """NSGA-II: a population spreads along the front of all objectives; for two or more of them.

    Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm:
    NSGA-II" (IEEE Trans. Evolutionary Computation 6, 2002). A generation is `population` trials;
    then the best of it and its parents live on: front by front, of the last one those with the
    most room around them (crowding distance). Parents are chosen by binary tournaments: the lower
    front wins, then the larger room. The strategy asks the search for all its objectives; with
    one alone it is a plain genetic algorithm with elitism.

    Constraints are those of the search: rejected trials are part of their generation and sorted by
    constrained domination (section VI), the violation being the sum of what each limit is exceeded
    by, as a share of the limit. Failed trials are left out, a NaN counts as a broken constraint.

    What differs from the paper: children come from `Space.cross`, with probability `crossover`,
    and then `Space.mutate`, with probability `mutation`, in place of operators for real numbers and
    bits; an architecture is tried once, a child that was tried before is drawn anew and after 50
    of those a random one takes its place (`deduplicate=False`: children may repeat). With workers
    in parallel, a trial belongs to the generation in which it ends.

    Args:
        population: trials in a generation, and parents.
        crossover: how likely a child has two parents.
        mutation: how likely a child is mutated.

    Raises:
        ConfigError: for settings out of range; from `tell`, when a scored trial lacks a metric.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> from archloom.strategies import Offer
    >>> strategy = Nsga2(population=4)
    >>> strategy.accept(Offer(objectives=(Objective("accuracy"), Objective("params", "min"))))
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).parent is None
    True
    """

    population: int = 20
    crossover: float = 0.9
    mutation: float = 0.9
    deduplicate: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        check_whole("population", self.population, 2)
        check_number("crossover", self.crossover, 0, 1)
        check_number("mutation", self.mutation, 0, 1)
        check_flag("deduplicate", self.deduplicate)
        if self.seed is not None:
            checked_seed(self.seed)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._objectives = self._offer.objectives or (objective,)
        self._fresh = Fresh(space, self._offer.first, repeat=not self.deduplicate)
        self._single = space.size == 1
        self._parents: list[Member] = []
        self._children: list[Member] = []

    def ask(self, number: int) -> Proposal | None:
        rng = self._rng(number)
        if self._fresh.given is not None:
            return Proposal(self._fresh.given)
        for _ in range(_TRIES if self._parents and not self._single else 0):
            parent = self._winner(rng)
            child = self._child(parent, rng)
            if child in self._fresh:
                return Proposal(child, parent=parent.number)
        drawn = self._fresh.draw(rng)
        return Proposal(drawn) if drawn is not None else None

    def tell(self, trial: Trial) -> None:
        self._fresh.discard(trial.architecture)
        member = self._member(trial)
        if member is None:
            return
        self._children.append(member)
        if len(self._children) == self.population:
            self._parents = survivors([*self._parents, *self._children], self.population)
            self._children = []

    def _member(self, trial: Trial) -> Member | None:
        if trial.state is State.REJECTED:
            gains = (-math.inf,) * len(self._objectives)
            violation = violation_of(trial, self._offer.constraints)
            return Member(trial.number, trial.architecture, gains, violation)
        found = [self._gain(trial, objective) for objective in self._objectives]
        gains = tuple(gain for gain in found if gain is not None)
        if len(gains) < len(found):
            return None
        broken = 0.0 if all(map(math.isfinite, gains)) else math.inf
        return Member(trial.number, trial.architecture, gains, broken)

    def _winner(self, rng: np.random.Generator) -> Member:
        """Give the winner of a tournament of two, by the crowded-comparison operator."""
        places = rng.integers(len(self._parents), size=2).tolist()
        contestants: list[Member] = [self._parents[place] for place in places]
        return min(contestants, key=lambda member: (member.rank, -member.room))

    def _child(self, parent: Member, rng: np.random.Generator) -> Architecture:
        architecture = parent.architecture
        if rng.random() < self.crossover:
            architecture = self._space.cross(architecture, self._winner(rng).architecture, rng)
        if rng.random() < self.mutation:
            architecture = self._space.mutate(architecture, rng)
        return architecture


def survivors(members: Sequence[Member], size: int) -> list[Member]:
    """Give the `size` members that live on, with their fronts and their room (section III-C)."""
    points = np.array([member.gains for member in members])
    fronts = ranks(points, [member.violation for member in members])
    chosen: list[Member] = []
    for rank in range(int(fronts.max()) + 1):
        places = np.flatnonzero(fronts == rank)
        room = crowding(points[places])
        widest = np.argsort(-room, kind="stable")[: size - len(chosen)]
        chosen += [
            members[places[at]]._replace(rank=rank, room=float(room[at])) for at in widest.tolist()
        ]
        if len(chosen) == size:
            break
    return chosen


def violation_of(trial: Trial, constraints: Sequence[Constraint]) -> float:
    """Give by how much a rejected trial breaks the limits, as shares of these; above 0."""
    excess = 0.0
    for constraint in constraints:
        value = trial.metrics.get(constraint.metric, math.nan)
        if not constraint.holds({constraint.metric: value}):
            excess += abs(value - constraint.limit) / (abs(constraint.limit) or 1.0)
    if math.isnan(excess) or not constraints:
        return math.inf
    return max(excess, 1e-12)  # a strict limit may be met exactly, and is broken all the same
