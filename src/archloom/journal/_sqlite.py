"""The journal of a run folder: one SQLite file, one writer behind a lock, many readers."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from archloom.errors import JournalError, RunError, RunInUse
from archloom.journal._event import Event, from_row, to_row

JOURNAL_FILE = "journal.sqlite"

_TABLE = """
create table if not exists events (
    number integer primary key, time real not null, kind text not null, data text not null
)
"""


class SqliteJournal:
    """Events in `folder/journal.sqlite`, in write-ahead mode with a full sync at every append.

    With `write=True` the folder is made if need be and locked until `close`; the operating system
    frees the lock of a process that dies. Readers need no lock and see whole appends only.

    Raises:
        RunInUse: when another process writes to the folder.
        RunError: when there is no journal to read.
        JournalError: when the file cannot be read or written.
    """

    def __init__(self, folder: str | Path, *, write: bool = False) -> None:
        self.folder = Path(folder)
        self._lock = _locked(self.folder) if write else None
        path = self.folder / JOURNAL_FILE
        if not write and not path.is_file():
            raise RunError(
                f"A run folder holds a file {JOURNAL_FILE!r}, and {str(self.folder)!r} does not: "
                f"give the folder that `archloom search` printed (its --out)."
            )
        try:
            self._database = _writer(path) if write else _reader(path)
        except sqlite3.Error as error:
            self._release()
            raise _unreadable(path, error) from error

    def append(self, *events: Event) -> None:
        """Keep the events, all or none, durably. Raises `JournalError` when the disk is full."""
        try:
            with self._database:  # one transaction
                self._database.executemany(
                    "insert into events (time, kind, data) values (?, ?, ?)",
                    [to_row(event) for event in events],
                )
        except sqlite3.Error as error:
            raise JournalError(
                f"The event could not be recorded in {str(self.folder / JOURNAL_FILE)!r} "
                f"({error}). Everything recorded before is safe: make room or make the folder "
                f"writable, then run `archloom resume {self.folder}`."
            ) from error

    def read(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Give (number, event) of everything after that number."""
        try:
            rows = self._database.execute(
                "select number, time, kind, data from events where number > ? order by number",
                (after,),
            ).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(self.folder / JOURNAL_FILE, error) from error
        for number, *row in rows:
            yield number, from_row(*row)

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._database.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> SqliteJournal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _unreadable(path: Path, error: sqlite3.Error) -> JournalError:
    return JournalError(
        f"{str(path)!r} cannot be opened as a journal ({error}): it is damaged, on a full or "
        f"read-only disk, or not a file of archloom. Restore it from a copy or start a new run "
        f"in another folder."
    )


def _writer(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _create(path)
    database = sqlite3.connect(path, timeout=30)
    try:
        _prepare(database)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _create(path: Path) -> None:
    """Make the file aside and move it into place: a reader never meets one without its table."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    database = sqlite3.connect(draft)
    try:
        database.execute(_TABLE)
    finally:
        database.close()
    draft.replace(path)


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("pragma journal_mode=wal")
    # FULL syncs the log at every commit: an event survives a power cut, not only a killed process.
    database.execute("pragma synchronous=full")
    with database:
        database.execute(_TABLE)


def _reader(path: Path) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode=ro"
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() and not os.access(path.parent, os.W_OK):
        # SQLite wants to write its log's index beside the file; here nobody can be writing.
        address += "&immutable=1"
    database = sqlite3.connect(address, uri=True, timeout=30)
    try:
        database.execute("select number from events limit 1").fetchall()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _locked(folder: Path) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", thread_local=False)
        lock.acquire(timeout=0)
        (folder / "owner").write_text(f"process {os.getpid()} on {platform.node()}")
    except Timeout:
        raise RunInUse(
            f"One process at a time may write to a run folder, and {str(folder)!r} is in use by "
            f"{_owner(folder)}: wait until it ends, stop it, or choose another folder."
        ) from None
    except OSError as error:
        raise RunError(
            f"A run folder must be writable, and {str(folder)!r} is not ({error.strerror}): "
            f"choose another with --out."
        ) from error
    return lock


def _owner(folder: Path) -> str:
    try:
        return (folder / "owner").read_text().strip() or "another process"
    except OSError:
        return "another process"
