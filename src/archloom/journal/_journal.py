"""The contract of a journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from archloom.journal._event import Event


@runtime_checkable
class Journal(Protocol):
    """An append-only list of events.

    **Durability**: when `append` returns, its events survive the death of the process.
    **Atomicity**: of one `append` either all events are kept or none.
    **Order**: `read` gives events in the order of appending, numbered from 1 without gaps.
    """

    def append(self, *events: Event) -> None:
        """Keep the events. Raises `JournalError` when they cannot be kept."""
        ...

    def read(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Give (number, event) of everything recorded after the event of that number."""
        ...
