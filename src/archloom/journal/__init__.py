"""The record of a run: append-only events, one writer, any number of readers."""

from archloom.journal._event import Event, Finished, Noted, Reported, Started
from archloom.journal._journal import Journal
from archloom.journal._memory import MemoryJournal
from archloom.journal._sqlite import JOURNAL_FILE, SqliteJournal

__all__ = [
    "JOURNAL_FILE",
    "Event",
    "Finished",
    "Journal",
    "MemoryJournal",
    "Noted",
    "Reported",
    "SqliteJournal",
    "Started",
]
