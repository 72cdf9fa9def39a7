"""What to try where nothing was learned yet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from archloom.architecture import Architecture
from archloom.space import Space
from archloom.strategies._untried import Untried


class Fresh:
    """Architectures given to be tried first, then random ones: a fold over what was tried.

    `given` is the next of the first ones, None once all were tried. With `repeat` a random
    architecture may be one that was tried before, and everything counts as untried.
    """

    def __init__(self, space: Space, first: Iterable[Architecture] = (), *, repeat: bool) -> None:
        self._space = space
        self._repeat = repeat
        self._untried = Untried(space)
        self._waiting = list(first)
        for architecture in self._waiting:
            space.check(architecture)

    def __contains__(self, architecture: Architecture) -> bool:
        return self._repeat or architecture in self._untried

    @property
    def given(self) -> Architecture | None:
        """The next of the architectures that come first, None when there is none left."""
        return self._waiting[0] if self._waiting else None

    def discard(self, architecture: Architecture) -> None:
        """Note that an architecture was tried."""
        if not self._repeat:
            self._untried.discard(architecture)
        if architecture in self._waiting:
            self._waiting = [there for there in self._waiting if there != architecture]

    def draw(self, rng: np.random.Generator) -> Architecture | None:
        """Give a random architecture that is fresh, None when there is none."""
        return self._space.sample(rng) if self._repeat else self._untried.draw(rng)
