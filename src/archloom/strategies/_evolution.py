"""Regularized evolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Prior, Space
from archloom.strategies._strategy import Strategy, check_flag, check_whole, checked_seed
from archloom.strategies._untried import Untried
from archloom.strategies._waiting import Waiting
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
      ones (none, the default); those that a screening offers come next.
    - With a `prior` (see `archloom.space.Prior`) its likeliest architecture is next, the rest of
      the first population is drawn from it, and so are the new values of a mutation.
    - With probability `crossover` a second tournament's winner is crossed with the first before
      the mutation (0, the default: never).
    - A mutation is `Space.mutate`: one label gets another value. The paper's also keeps the
      architecture as it is now and then ("identity").

    Raises:
        ConfigError: unless 1 <= sample <= population and 0 <= crossover <= 1; from `setup`, for a
            prior that speaks of what the space does not have.
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
    prior: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        self.first = [dict(values) for values in self.first]
        self.prior = Prior.plain(self.prior)
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
        self._prior = Prior.read(self.prior, space) if self.prior else None
        self._untried = Untried(space, self._prior)
        self._members: list[Member] = []
        self._single = space.size == 1
        first = [Architecture(values) for values in self.first] + list(self._offer.first)
        if self._prior is not None:
            first.append(self._prior.mode(self._rng(0)))
        self._waiting = Waiting(space, first)

    def ask(self, number: int) -> Proposal | None:
        if self._waiting.next is not None:
            return Proposal(self._waiting.next)
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
        self._waiting.discard(trial.architecture)
        gain = self._gain(trial)
        if gain is None:
            return
        self._members.append(Member(trial.number, trial.architecture, gain))
        del self._members[: -self.population]

    def _fresh(self, rng: np.random.Generator) -> Proposal | None:
        source = self._prior or self._space
        drawn = self._untried.draw(rng) if self.deduplicate else source.sample(rng)
        return Proposal(drawn) if drawn is not None else None

    def _winner(self, rng: np.random.Generator) -> Member:
        drawn = rng.integers(len(self._members), size=self.sample).tolist()
        contestants: list[Member] = [self._members[place] for place in drawn]
        return max(contestants, key=lambda member: member.gain)

    def _child(self, parent: Member, rng: np.random.Generator) -> Architecture:
        architecture = parent.architecture
        if self.crossover and rng.random() < self.crossover:
            architecture = self._space.cross(architecture, self._winner(rng).architecture, rng)
        return (self._prior or self._space).mutate(architecture, rng)
