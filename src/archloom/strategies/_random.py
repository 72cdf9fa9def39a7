"""Random search."""

from __future__ import annotations

from dataclasses import dataclass

from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._strategy import Strategy, check_flag, checked_seed
from archloom.strategies._untried import Untried
from archloom.trial import Proposal, Trial


@dataclass
class Random(Strategy):
    """Random architectures, by default never the same one twice.

    Each choice is drawn uniformly (see `Space.sample`). With `deduplicate` a finite space ends,
    with None, once every architecture was tried; without, it never does.

    Raises:
        ConfigError: for a seed that is not an int of at least 0.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> strategy = Random()
    >>> strategy.setup(Space(()).joint(width=[16, 32]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    seed: int | None = None
    deduplicate: bool = True

    def __post_init__(self) -> None:
        if self.seed is not None:
            checked_seed(self.seed)
        check_flag("deduplicate", self.deduplicate)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._untried = Untried(space)

    def ask(self, number: int) -> Proposal | None:
        rng = self._rng(number)
        drawn = self._untried.draw(rng) if self.deduplicate else self._space.sample(rng)
        return Proposal(drawn) if drawn is not None else None

    def tell(self, trial: Trial) -> None:
        if self.deduplicate:
            self._untried.discard(trial.architecture)
