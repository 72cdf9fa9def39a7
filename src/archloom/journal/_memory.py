"""A journal that lives as long as the process: for tests and for looking up tables."""

from __future__ import annotations

from collections.abc import Iterator

from archloom.journal._event import Event, from_row, to_row


class MemoryJournal:
    """Keeps the rows that a file would hold, so that what comes back has made the same trip.

    >>> from archloom.journal import Noted
    >>> journal = MemoryJournal()
    >>> journal.append(Noted("hello"))
    >>> [event.kind for _, event in journal.read()]
    ['hello']
    """

    def __init__(self) -> None:
        self._rows: list[tuple[float, str, str]] = []

    def append(self, *events: Event) -> None:
        """Keep the events until the process ends."""
        self._rows.extend([to_row(event) for event in events])

    def read(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Give (number, event) of everything after that number."""
        for number, row in enumerate(self._rows[after:], start=after + 1):
            yield number, from_row(*row)
