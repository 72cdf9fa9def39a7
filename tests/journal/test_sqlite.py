"""The SQLite journal against second writers, dying processes, full disks and damaged files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from archloom import Study
from archloom.errors import JournalError, RunError, RunInUse
from archloom.journal import JOURNAL_FILE, Noted, SqliteJournal

_WRITER = """
import sys
from archloom.journal import Noted, SqliteJournal
journal = SqliteJournal(sys.argv[1], write=True)
print("open", flush=True)
number = sum(1 for _ in journal.read())
while True:
    number += 2
    journal.append(Noted("left", {"n": number - 1}), Noted("right", {"n": number}))
    print(number, flush=True)
"""
_HOLDER = """
import sys
from archloom.journal import SqliteJournal
with SqliteJournal(sys.argv[1], write=True):
    print("open", flush=True)
    sys.stdin.read()
"""
_SMALL_DISK = """
import resource, sys
from archloom.errors import JournalError
from archloom.journal import Noted, SqliteJournal
with SqliteJournal(sys.argv[1], write=True) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    for number in range(10_000):
        try:
            journal.append(Noted("x", {"n": number, "ballast": "x" * 500}), Noted("y"))
        except JournalError as error:
            print(error)
            break
        print(number, flush=True)
    try:
        journal.append(Noted("z", {"ballast": "x" * 50_000}))
    except JournalError:
        print("still full")
"""


def _run(script: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _kinds(folder: Path) -> list[str]:
    with SqliteJournal(folder) as journal:
        return [event.kind for _, event in journal.read() if isinstance(event, Noted)]


# -- one writer ------------------------------------------------------------------------------


def test_a_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path, write=True) as journal:
        with pytest.raises(RunInUse, match=f"in use by process {os.getpid()} on "):
            SqliteJournal(tmp_path, write=True)
        journal.append(Noted("still mine"))
    assert _kinds(tmp_path) == ["still mine"]


def test_a_second_writer_in_another_process_is_refused(tmp_path: Path) -> None:
    holder = _run(_HOLDER, tmp_path)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(RunInUse, match=f"process {holder.pid} on .*wait until it ends"):
            SqliteJournal(tmp_path, write=True)
        assert _kinds(tmp_path) == []  # reading needs no lock
    finally:
        holder.communicate("")
    SqliteJournal(tmp_path, write=True).close()


def test_closing_in_another_thread_frees_the_folder(tmp_path: Path) -> None:
    journals: list[SqliteJournal] = []

    def open_and_leave() -> None:
        journal = SqliteJournal(tmp_path, write=True)
        journal._database.close()  # SQLite wants this in the thread that opened it
        journals.append(journal)

    thread = threading.Thread(target=open_and_leave)
    thread.start()
    thread.join()
    journals[0]._release()
    with closing(SqliteJournal(tmp_path, write=True)) as journal:
        journal.append(Noted("x"))
    assert _kinds(tmp_path) == ["x"]


def test_a_closed_journal_says_that_it_cannot_record(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path, write=True)
    journal.append(Noted("x"))
    journal.close()
    with pytest.raises(JournalError, match="closed database"):
        journal.append(Noted("y"))
    assert _kinds(tmp_path) == ["x"]


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    SqliteJournal(tmp_path, write=True).close()
    with SqliteJournal(tmp_path) as reader, pytest.raises(JournalError, match="readonly"):
        reader.append(Noted("x"))


# -- a process that dies ---------------------------------------------------------------------


@pytest.mark.parametrize("acknowledged", [0, 1, 7, 60])
def test_what_was_acknowledged_survives_sigkill(tmp_path: Path, acknowledged: int) -> None:
    """The writer is killed in the middle of appends; pairs stay whole and the lock is free."""
    folder = tmp_path / "run"
    kept = 0
    for _ in range(2):
        writer = _run(_WRITER, folder)
        try:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(1 + acknowledged)]
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            rest, _ = writer.communicate()
        said = [int(line) for line in [*lines, *rest.splitlines()] if line.strip().isdigit()]
        numbers = [e.data["n"] for e in _notes(folder)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) % 2 == 0
        assert len(numbers) >= max(said, default=kept)
        kept = len(numbers)
    with SqliteJournal(folder, write=True) as journal:
        journal.append(Noted("after"))
        assert [number for number, _ in journal.read(kept)] == [kept + 1]


def _notes(folder: Path) -> list[Noted]:
    with SqliteJournal(folder) as journal:
        return [event for _, event in journal.read() if isinstance(event, Noted)]


def test_a_draft_left_by_a_killed_start_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / f"{JOURNAL_FILE}.new").write_bytes(b"half")
    with pytest.raises(RunError):
        SqliteJournal(tmp_path)
    with SqliteJournal(tmp_path, write=True) as journal:
        journal.append(Noted("x"))
    assert _kinds(tmp_path) == ["x"]
    assert not (tmp_path / f"{JOURNAL_FILE}.new").exists()


# -- disks and files -------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    small = _run(_SMALL_DISK, tmp_path)
    said, _ = small.communicate(timeout=120)
    lines = said.splitlines()
    recorded = [int(line) for line in lines if line.isdigit()]
    assert recorded
    assert "could not be recorded" in said
    assert "archloom resume" in said
    assert lines[-1] == "still full"
    notes = _notes(tmp_path)
    assert [e.data["n"] for e in notes if e.kind == "x"] == recorded
    assert len(notes) == 2 * len(recorded)
    with SqliteJournal(tmp_path, write=True) as journal:
        journal.append(Noted("there is room again"))
    assert _kinds(tmp_path)[-1] == "there is room again"


def test_a_file_that_is_no_database_is_refused_and_the_lock_freed(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL_FILE
    path.write_text("this is no database, but long enough to be taken for one\n" * 50)
    for write in (True, False, True):
        with pytest.raises(JournalError, match="not a file of archloom"):
            SqliteJournal(tmp_path, write=write)
    assert path.read_text().startswith("this is no database"), "and it is left as it was"
    path.unlink()
    SqliteJournal(tmp_path, write=True).close()


def test_a_database_of_another_program_is_not_read(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / JOURNAL_FILE)
    database.execute("create table other (x)")
    database.close()
    with pytest.raises(JournalError, match="no such table"):
        SqliteJournal(tmp_path)


def test_a_truncated_file_is_a_journal_error(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path, write=True) as journal:
        journal.append(*(Noted("x", {"ballast": "x" * 1000}) for _ in range(200)))
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(JournalError, match="damaged"):
        Study.open(tmp_path)


def test_damage_in_the_middle_of_a_file_is_met_when_it_is_read(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path, write=True) as journal:
        journal.append(*(Noted("x", {"ballast": "x" * 1000}) for _ in range(200)))
    path = tmp_path / JOURNAL_FILE
    damaged = bytearray(path.read_bytes())
    damaged[20 * 4096 : 40 * 4096] = b"\xff" * (20 * 4096)
    path.write_bytes(damaged)
    with SqliteJournal(tmp_path) as reader, pytest.raises(JournalError, match="damaged"):
        list(reader.read())


def test_an_event_of_a_later_version_stops_the_reading(tmp_path: Path) -> None:
    SqliteJournal(tmp_path, write=True).close()
    database = sqlite3.connect(tmp_path / JOURNAL_FILE)
    with database:
        database.execute("insert into events (time, kind, data) values (0, 'pruned', '{}')")
    database.close()
    with pytest.raises(JournalError, match="'pruned'"):
        Study.open(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"journal\.sqlite.*--out"):
        SqliteJournal(tmp_path)
    missing = tmp_path / "missing"
    with pytest.raises(RunError, match="missing"):
        Study.open(missing)
    assert not missing.exists(), "reading makes no folder"


def test_a_folder_that_cannot_be_made_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be writable"):
        SqliteJournal(tmp_path / "file", write=True)
    with pytest.raises(RunError, match="must be writable"):
        SqliteJournal(tmp_path / "file" / "below", write=True)


def test_a_folder_in_the_journals_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).mkdir()
    with pytest.raises(JournalError):
        SqliteJournal(tmp_path, write=True)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_run_in_a_read_only_folder_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with SqliteJournal(folder, write=True) as journal:
        journal.append(Noted("x"))
    (folder / JOURNAL_FILE).chmod(0o444)
    folder.chmod(0o555)
    try:
        assert _kinds(folder) == ["x"]
        with pytest.raises(RunError):
            SqliteJournal(folder, write=True)
    finally:
        folder.chmod(0o755)


def test_odd_folder_names_work(tmp_path: Path) -> None:
    folder = tmp_path / "ein Lauf? #1 100% ü"
    with SqliteJournal(folder, write=True) as journal:
        journal.append(Noted("x"))
    assert _kinds(folder) == ["x"]
