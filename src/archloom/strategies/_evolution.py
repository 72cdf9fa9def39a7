"""Regularized evolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._strategy import Strategy, check_flag, check_whole, checked_seed
from archloom.strategies._untried import Untried
from archloom.trial import Proposal, Trial

_TRIES = 50  # children in a row that were tried before, until a random architecture takes over


class Member(NamedTuple):
    """One of the population."""

    number: int
    architecture: Architecture
    gain: float


@dataclass
class Evolution(Strategy):
    """Regularized evolution: tournament selection in a population from which the oldest dies.

    Algorithm 1 of Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier
    Architecture Search" (AAAI 2019, arXiv 1802.01548). The first `population` scored trials are
    random. Then each proposal mutates the best of `sample` members, drawn with replacement; when a
    trial is scored it joins the population and the oldest member leaves. Age is the order in
    which trials ended. Failed and rejected trials never join.

    What differs from the paper, and how to get the paper's behaviour:

    - An architecture is tried once: a child that was tried before is drawn anew, tournament
      included, and after 50 of those a random untried architecture takes its place
      (`deduplicate=False`: children may repeat).
    - The population may begin with architectures known to be good, `first`, instead of random
      ones (none, the default).
    - With probability `crossover` a second tournament's winner is crossed with the first before
      the mutation (0, the default: never).
    - A mutation is `Space.mutate`: one label gets another value. The paper's also keeps the
      architecture as it is now and then ("identity").

    Raises:
        ConfigError: unless 1 <= sample <= population and 0 <= crossover <= 1.
        InvalidArchitecture (from `setup`): when one of `first` is not a point of the space.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = Evolution(population=2, sample=1)
    >>> strategy.setup(Space(()).joint(width=[16, 32, 64]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).parent is None
    True
    """

    population: int = 20
    sample: int = 10
    deduplicate: bool = True
    crossover: float = 0.0
    first: Sequence[Mapping[str, Any]] = field(default_factory=list)
    seed: int | None = None

    def __post_init__(self) -> None:
        self.first = [dict(values) for values in self.first]
        check_whole("population", self.population)
        check_whole("sample", self.sample)
        if self.sample > self.population:
            raise ConfigError(
                f"A tournament's sample must not exceed the population ({self.population}), "
                f"got sample={self.sample}."
            )
        if isinstance(self.crossover, bool) or not isinstance(self.crossover, int | float):
            raise ConfigError(f"crossover must be a number from 0 to 1, got {self.crossover!r}.")
        if not 0 <= self.crossover <= 1:
            raise ConfigError(f"crossover must lie between 0 and 1, got {self.crossover!r}.")
        check_flag("deduplicate", self.deduplicate)
        if self.seed is not None:
            checked_seed(self.seed)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._untried = Untried(space)
        self._members: list[Member] = []
        self._single = space.size == 1
        self._given = [Architecture(values) for values in self.first]
        for architecture in self._given:
            space.check(architecture)

    def ask(self, number: int) -> Proposal | None:
        if self._given:
            return Proposal(self._given[0])
        rng = self._rng(number)
        if len(self._members) < self.population or self._single:
            return self._fresh(rng)
        for _ in range(_TRIES):
            parent = self._winner(rng)
            child = self._child(parent, rng)
            if not self.deduplicate or child in self._untried:
                return Proposal(child, parent=parent.number)
        return self._fresh(rng)

    def tell(self, trial: Trial) -> None:
        if self.deduplicate:
            self._untried.discard(trial.architecture)
        if trial.architecture in self._given:
            self._given.remove(trial.architecture)
        gain = self._gain(trial)
        if gain is None:
            return
        self._members.append(Member(trial.number, trial.architecture, gain))
        del self._members[: -self.population]

    def _fresh(self, rng: np.random.Generator) -> Proposal | None:
        drawn = self._untried.draw(rng) if self.deduplicate else self._space.sample(rng)
        return Proposal(drawn) if drawn is not None else None

    def _winner(self, rng: np.random.Generator) -> Member:
        drawn = rng.integers(len(self._members), size=self.sample).tolist()
        contestants: list[Member] = [self._members[place] for place in drawn]
        return max(contestants, key=lambda member: member.gain)

    def _child(self, parent: Member, rng: np.random.Generator) -> Architecture:
        architecture = parent.architecture
        if self.crossover and rng.random() < self.crossover:
            architecture = self._space.cross(architecture, self._winner(rng).architecture, rng)
        return self._space.mutate(architecture, rng)
