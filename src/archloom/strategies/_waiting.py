"""Architectures to try before a strategy has its own say."""

from __future__ import annotations

from collections.abc import Iterable

from archloom.architecture import Architecture
from archloom.space import Space


class Waiting:
    """A queue of architectures, each once, from which those that were tried drop out.

    Raises:
        InvalidArchitecture: when one of them is not a point of the space.
    """

    def __init__(self, space: Space, architectures: Iterable[Architecture]) -> None:
        self._left: dict[str, Architecture] = {}
        for architecture in architectures:
            space.check(architecture)
            self._left.setdefault(architecture.key, architecture)

    @property
    def next(self) -> Architecture | None:
        """The first one left, None when all were tried."""
        return next(iter(self._left.values()), None)

    def discard(self, architecture: Architecture) -> None:
        """Note that an architecture was tried."""
        self._left.pop(architecture.key, None)
