"""Every journal keeps the contract."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from archloom.journal import Journal, MemoryJournal, SqliteJournal
from archloom.testing import JournalContract


class TestMemory(JournalContract):
    def open(self, folder: Path) -> AbstractContextManager[Journal]:
        return nullcontext(MemoryJournal())


class TestSqlite(JournalContract):
    def open(self, folder: Path) -> AbstractContextManager[Journal]:
        return SqliteJournal(folder, write=True)

    def reader(self, folder: Path, journal: Journal) -> AbstractContextManager[Journal]:
        return SqliteJournal(folder)
