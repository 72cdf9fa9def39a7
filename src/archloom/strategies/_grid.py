"""Grid search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._strategy import Strategy, check_flag, check_whole, checked_seed
from archloom.trial import Proposal, Trial

_SHUFFLED = 100_000  # the whole grid is held in memory to be shuffled


@dataclass
class Grid(Strategy):
    """Every architecture once, in the order of `Space.enumerate`, or shuffled by the seed.

    A number with more than `points` values takes that many, evenly spaced on its scale; with
    `points=None` whole numbers take all of theirs and floats are an error.

    Raises:
        ConfigError: for fewer than one point or a bad seed; from `setup`, when a grid of more than
            100,000 architectures is to be shuffled.
        SpaceError: from `setup`, for floats with `points=None`.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space, log_uniform
    >>> strategy = Grid(points=3)
    >>> strategy.setup(Space(()).joint(lr=log_uniform(0.01, 1)), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).architecture
    Architecture({'lr': 0.01})
    """

    points: int | None = 5
    shuffle: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.points is not None:
            check_whole("points", self.points)
        if self.seed is not None:
            checked_seed(self.seed)
        check_flag("shuffle", self.shuffle)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._tried: set[str] = set()
        self._rest = space.enumerate(self.points)
        if self.shuffle:
            self._check_size(space)
            grid = list(self._rest)
            order = np.random.default_rng(self._entropy).permutation(len(grid))
            self._rest = (grid[place] for place in order)
        self._next: Architecture | None = next(self._rest, None)

    def ask(self, number: int) -> Proposal | None:
        return Proposal(self._next) if self._next is not None else None

    def tell(self, trial: Trial) -> None:
        self._tried.add(trial.architecture.key)
        while self._next is not None and self._next.key in self._tried:
            self._next = next(self._rest, None)

    def _check_size(self, space: Space) -> None:
        size = space.count(self.points)
        if size > _SHUFFLED:
            raise ConfigError(
                f"A grid is shuffled up to {_SHUFFLED} architectures, this one has {size}. "
                f"Set shuffle to false or points lower, or use the strategy 'random'."
            )
