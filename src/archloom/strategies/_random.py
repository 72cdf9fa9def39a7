"""Random search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archloom.objective import Objective
from archloom.space import Prior, Space
from archloom.strategies._strategy import Strategy, check_flag, checked_seed
from archloom.strategies._untried import Untried
from archloom.strategies._waiting import Waiting
from archloom.trial import Proposal, Trial


@dataclass
class Random(Strategy):
    """Random architectures, by default never the same one twice.

    Each choice is drawn uniformly (see `Space.sample`). With `deduplicate` a finite space ends,
    with None, once every architecture was tried; without, it never does. With a `prior` (see
    `archloom.space.Prior`) architectures are drawn from that, for as long as this finds untried
    ones. Architectures that a screening offers come first.

    Raises:
        ConfigError: for a seed that is not an int of at least 0; from `setup`, for a prior that
            speaks of what the space does not have.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = Random()
    >>> strategy.setup(Space(()).joint(width=[16, 32]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    seed: int | None = None
    deduplicate: bool = True
    prior: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seed is not None:
            checked_seed(self.seed)
        check_flag("deduplicate", self.deduplicate)
        self.prior = Prior.plain(self.prior)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._prior = Prior.read(self.prior, space) if self.prior else None
        self._untried = Untried(space, self._prior)
        self._waiting = Waiting(space, self._offer.first)

    def ask(self, number: int) -> Proposal | None:
        if self._waiting.next is not None:
            return Proposal(self._waiting.next)
        rng = self._rng(number)
        source = self._prior or self._space
        drawn = self._untried.draw(rng) if self.deduplicate else source.sample(rng)
        return Proposal(drawn) if drawn is not None else None

    def tell(self, trial: Trial) -> None:
        self._waiting.discard(trial.architecture)
        if self.deduplicate:
            self._untried.discard(trial.architecture)
