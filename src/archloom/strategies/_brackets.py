"""Brackets: successive halving rung by rung, as many brackets side by side as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from archloom.strategies._rungs import Entry


class Shape(NamedTuple):
    """A bracket's first rung, and how many trials there are on that and each following rung."""

    first: int
    sizes: tuple[int, ...]


class Bracket:
    """One run of successive halving: a rung is judged when all of its trials have ended."""

    def __init__(self, shape: Shape, eta: float) -> None:
        self.first = shape.first
        self.chosen: list[Entry] = []
        self.over = False
        self._eta = eta
        self._sizes: Sequence[int] = shape.sizes
        self._level = 0
        self._open = shape.sizes[0]
        self._running: set[int] = set()
        self._ended: list[Entry] = []

    @property
    def takes_new(self) -> bool:
        """Whether a new architecture may begin."""
        return self._level == 0 and self._open > 0

    def begin(self, entry: Entry) -> None:
        """Take in an entry of the present rung."""
        if entry.parent is not None:
            self.chosen.remove(entry.parent)
        self._open -= 1
        self._running.add(entry.number)

    def end(self, entry: Entry) -> None:
        """Take note of the end of an entry; the last one's end is the judgement."""
        self._running.discard(entry.number)
        self._ended.append(entry)
        self._judge()

    def close(self) -> None:
        """Go on with those that there are: no new architecture will come."""
        if not self.takes_new:
            return
        begun = self._sizes[0] - self._open
        self._sizes = [int(begun / self._eta**level) for level in range(len(self._sizes))]
        self._open = 0
        self._judge()

    def _judge(self) -> None:
        if self._open or self._running:
            return
        self._level += 1
        if self._level < len(self._sizes):
            able = sorted((e for e in self._ended if e.promotable), key=lambda entry: entry.rank)
            self.chosen = able[: self._sizes[self._level]]
        self._open = len(self.chosen)
        self._ended = []
        self.over = not self.chosen


class Brackets:
    """Bracket after bracket, of the shapes that `plan` gives for the first, second, ... one.

    While a bracket waits for running trials the next one begins, so that no worker is idle.
    """

    def __init__(self, plan: Callable[[int], Shape], eta: float) -> None:
        self._plan = plan
        self._eta = eta
        self._opened = 0
        self._active: list[Bracket] = []
        self._home: dict[int, Bracket] = {}
        self._closed = False

    def next(self) -> Entry | int | None:
        """Give the entry to promote, the rung on which a new one begins, or None for nothing."""
        for bracket in self._active:
            if bracket.chosen:
                return bracket.chosen[0]
            if bracket.takes_new:
                return bracket.first
        return None if self._closed else self._plan(self._opened).first

    def begin(self, entry: Entry) -> None:
        """Take note of an entry that started."""
        bracket = self._for_new(entry.rung) if entry.parent is None else self._of(entry.parent)
        if bracket is not None:
            bracket.begin(entry)
            self._home[entry.number] = bracket

    def end(self, entry: Entry) -> None:
        """Take note of the end of an entry that was begun."""
        bracket = self._home.get(entry.number)
        if bracket is not None:
            bracket.end(entry)
            self._tidy()

    def close(self) -> None:
        """Take note that there are no new architectures any more; may be said again."""
        self._closed = True
        for bracket in self._active:
            bracket.close()
        self._tidy()

    def _for_new(self, rung: int) -> Bracket | None:
        """Give the bracket that a new entry of a rung joins: None unless one asks for it."""
        bracket = next((b for b in self._active if b.takes_new), None)
        if bracket is None:
            shape = self._plan(self._opened)
            if self._closed or shape.first != rung:
                return None
            bracket = Bracket(shape, self._eta)
            self._active.append(bracket)
            self._opened += 1
        return bracket if bracket.first == rung else None

    def _of(self, parent: Entry) -> Bracket | None:
        bracket = self._home.get(parent.number)
        return bracket if bracket is not None and parent in bracket.chosen else None

    def _tidy(self) -> None:
        self._active = [bracket for bracket in self._active if not bracket.over]
