"""What is left to try of a space."""

from __future__ import annotations

import math

import numpy as np

from archloom.architecture import Architecture
from archloom.space import Prior, Space

_DRAWS = 64  # before looking through the space in order
_LISTED = 100_000  # up to this size, what is left is listed once half of the space was tried


class Untried:
    """The architectures of a space less those that were added: a fold over them.

    Drawing one is cheap at any time. While little was tried, random samples soon find a new one.
    Once half of a space was tried the rest is kept as a list, so that the last ones cost no more
    than the first; it depends on what was added in which order, and on nothing else.

    With a `prior` architectures are drawn from that for as long as this finds new ones.
    """

    def __init__(self, space: Space, prior: Prior | None = None) -> None:
        self._space = space
        self._prior = prior
        self._tried: set[str] = set()
        self._left: list[Architecture] | None = None
        self._place: dict[str, int] = {}
        self._list_from = space.size / 2 if space.size <= _LISTED else math.inf

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.key not in self._tried

    @property
    def empty(self) -> bool:
        """Whether every architecture was tried."""
        return len(self._tried) >= self._space.size

    def discard(self, architecture: Architecture) -> None:
        """Note that an architecture was tried."""
        key = architecture.key
        if key in self._tried:
            return
        self._tried.add(key)
        if self._left is not None:
            _remove(key, self._left, self._place)
        elif len(self._tried) >= self._list_from:
            self._left = [there for there in self._space.enumerate() if there in self]
            self._place = {there.key: place for place, there in enumerate(self._left)}

    def draw(self, rng: np.random.Generator) -> Architecture | None:
        """Give a random architecture that was not tried, None when there is none."""
        if self._prior is not None:
            for _ in range(_DRAWS):
                drawn = self._prior.sample(rng)
                if drawn in self:
                    return drawn
        if self._left is not None:
            return self._left[int(rng.integers(len(self._left)))] if self._left else None
        for _ in range(_DRAWS):
            drawn = self._space.sample(rng)
            if drawn in self:
                return drawn
        return self._first()

    def _first(self) -> Architecture | None:
        """Look through the space in order; at most one more step than architectures tried."""
        # With floats, more points of each than architectures tried must hold an untried one.
        points = len(self._tried) + 1 if self._space.size == math.inf else None
        return next((there for there in self._space.enumerate(points) if there in self), None)


def _remove(key: str, left: list[Architecture], places: dict[str, int]) -> None:
    """Take one out of a list by putting the last one in its place."""
    place = places.pop(key, None)
    if place is None:
        return
    last = left.pop()
    if place < len(left):
        left[place] = last
        places[last.key] = place
