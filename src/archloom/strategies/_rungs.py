"""Rungs: the budgets between which trials are promoted, and what stands on them."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from archloom.architecture import Architecture

_ROUNDING = 1e-9


@dataclass(eq=False, slots=True)
class Entry:
    """A trial on a rung. `gain` is minus infinity until it has ended with a score.

    `promoted` says that a trial of the next rung went on from it; `parent` is the entry that this
    one went on from.
    """

    number: int
    architecture: Architecture
    rung: int
    parent: Entry | None = None
    gain: float = -math.inf
    done: bool = False
    promoted: bool = False

    @property
    def promotable(self) -> bool:
        """Whether a trial can go on from it. Not from a stopped one, which lost its checkpoint."""
        return self.done and not self.promoted and self.gain > -math.inf

    @property
    def rank(self) -> tuple[float, int]:
        """What to sort by, best first; of equals the older one first."""
        return -self.gain, self.number


class Ladder(Protocol):
    """The rule by which trials climb the rungs."""

    def next(self) -> Entry | int | None:
        """Give the entry to promote, the rung on which a new one begins, or None for nothing."""

    def begin(self, entry: Entry) -> None:
        """Take note of an entry that started."""

    def end(self, entry: Entry) -> None:
        """Take note of the end of an entry that was begun."""

    def close(self) -> None:
        """Take note that there are no new architectures any more; may be said again."""


class Asynchronous:
    """Promotes whatever is among the best 1/eta of its rung, from the top rung downwards."""

    def __init__(self, rungs: int, eta: float) -> None:
        self._eta = eta
        self._ended: list[list[Entry]] = [[] for _ in range(rungs)]
        self._closed = False

    def next(self) -> Entry | int | None:
        """Give the entry to promote, the rung on which a new one begins, or None for nothing."""
        for entries in self._ended[-2::-1]:
            for entry in entries[: int(len(entries) / self._eta)]:
                if entry.promotable:
                    return entry
        return None if self._closed else 0

    def begin(self, entry: Entry) -> None:
        """Take note of an entry that started: only its end counts."""

    def end(self, entry: Entry) -> None:
        """Take note of the end of an entry that was begun."""
        insort(self._ended[entry.rung], entry, key=lambda there: there.rank)

    def close(self) -> None:
        """Take note that there are no new architectures any more; may be said again."""
        self._closed = True


def rungs_of(
    budgets: Sequence[float], eta: float, lowest: float | None = None
) -> tuple[float, ...]:
    """Give the offered budgets nearest to 1, 1/eta, 1/eta^2, ..., ascending.

    As many as fit above the lowest budget, each once; "nearest" by ratio, since that is what rungs
    are spaced by. Where more than one budget is offered, the lowest one serves as a rung if no
    other does.

    >>> rungs_of([epochs / 9 for epochs in range(1, 10)], eta=3)
    (0.1111111111111111, 0.3333333333333333, 1.0)
    >>> rungs_of([0.5, 1.0], eta=3)
    (0.5, 1.0)
    """
    usable = [b for b in budgets if lowest is None or b >= lowest * (1 - _ROUNDING)] or [1.0]
    steps = int(math.log(1 / usable[0]) / math.log(eta) + _ROUNDING)
    wanted = [eta**-step for step in range(steps + 1)]
    rungs = {min(usable, key=lambda b: (abs(math.log(b / want)), b)) for want in wanted}
    if len(rungs) == 1:
        rungs.add(usable[0])
    return tuple(sorted(rungs))
