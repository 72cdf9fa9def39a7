"""The contract of a journal."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from archloom.architecture import Architecture
from archloom.errors import JournalError
from archloom.journal import Event, Finished, Journal, Noted, Reported, Started
from archloom.trial import State

_TEXT = "Gewöhnung \u2028 \"quoted\" \\ \n\t 網 🙂 'x' \x00"
_APPENDS = 150


def example_events() -> list[Event]:
    """Give events of every kind, with every field used, left out, and hard to write down.

    >>> sorted({type(event).__name__ for event in example_events()})
    ['Finished', 'Noted', 'Reported', 'Started']
    """
    hard = Architecture(
        {"a": None, "b": True, "c": 1, "d": 0.1, "e": "x", "f": ((0, 1), ()), _TEXT: _TEXT}
    )
    return [
        Noted("experiment", {"seed": 0, "minutes": None, "names": ["é", None], "deep": {"a": {}}}),
        Started(0, "search", Architecture({}), seed=2**31 - 1),
        Started(1, _TEXT, hard, seed=0, epochs=3, parent=0, time=1.7e9 + 0.1),
        Started(2, '"architecture":null', Architecture({"architecture": None}), seed=1),
        Reported(0, 1, {}, time=1.0),
        Reported(1, 10**12, {"accuracy": math.nan, "loss": math.inf, "gain": -math.inf}, 0.25),
        Finished(0, State.DONE, {"accuracy": 0.1 + 0.2, "params": 12}, seconds=1e-9),
        Finished(1, State.FAILED, error=_TEXT, time=2.0),
        Finished(2, State.REJECTED, {"params": 1e300}, error="breaks params <= 100"),
        Finished(3, State.STOPPED, {}),
        Noted(_TEXT),
    ]


class JournalContract(ABC):
    """What a run relies on in every journal, as a test class for pytest.

    Subclass it with a name that pytest collects, and say how to open the journal:

        class TestMine(JournalContract):
            def open(self, folder: Path) -> AbstractContextManager[Journal]:
                return MyJournal(folder)

    >>> from archloom.journal import MemoryJournal
    >>> class TestMemory(JournalContract):
    ...     def open(self, folder):
    ...         return nullcontext(MemoryJournal())
    >>> TestMemory().test_events_come_back_in_order_and_numbered(Path("unused"))
    """

    @abstractmethod
    def open(self, folder: Path) -> AbstractContextManager[Journal]:
        """Open an empty journal for writing; `folder` is empty and is the journal's own."""

    def reader(self, folder: Path, journal: Journal) -> AbstractContextManager[Journal]:
        """Open another view of the open journal, to be used in another thread."""
        return nullcontext(journal)

    def test_it_is_a_journal(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as journal:
            assert isinstance(journal, Journal)
            assert list(journal.read()) == []

    def test_events_come_back_in_order_and_numbered(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as journal:
            for number in range(20):
                journal.append(Noted("step", {"number": number}))
            read = [(n, event.data) for n, event in journal.read() if isinstance(event, Noted)]
            assert read == [(number + 1, {"number": number}) for number in range(20)]

    def test_every_kind_of_event_survives(self, tmp_path: Path) -> None:
        """Compared by their text, since NaN equals nothing."""
        events = example_events()
        with self.open(tmp_path) as journal:
            journal.append(*events)
            read = [event for _, event in journal.read()]
            assert [repr(event) for event in read] == [repr(event) for event in events]
            assert [type(event) for event in read] == [type(event) for event in events]

    def test_architectures_come_back_equal(self, tmp_path: Path) -> None:
        started = [event for event in example_events() if isinstance(event, Started)]
        with self.open(tmp_path) as journal:
            journal.append(*started)
            read = [e.architecture for _, e in journal.read() if isinstance(e, Started)]
            assert read == [event.architecture for event in started]
            assert [a.key for a in read] == [event.architecture.key for event in started]

    def test_reading_after_a_number_skips_what_was_read(self, tmp_path: Path) -> None:
        events = example_events()
        with self.open(tmp_path) as journal:
            journal.append(*events)
            everything = [(number, repr(event)) for number, event in journal.read()]
            for after in range(len(events) + 3):
                rest = [(number, repr(event)) for number, event in journal.read(after)]
                assert rest == everything[after:], f"read({after})"

    def test_an_append_is_kept_whole_or_not_at_all(self, tmp_path: Path) -> None:
        """An event that cannot be written takes its neighbours with it, and leaves no gap."""
        with self.open(tmp_path) as journal:
            journal.append(Noted("before"))
            try:
                journal.append(Noted("good"), Noted("bad", {"thing": object()}), Noted("good"))
            except JournalError:
                pass
            else:
                raise AssertionError("data that JSON cannot hold raise JournalError")
            journal.append()
            journal.append(Noted("after"), Noted("last"))
            kinds = [(number, e.kind) for number, e in journal.read() if isinstance(e, Noted)]
            assert kinds == [(1, "before"), (2, "after"), (3, "last")]

    def test_appending_does_not_disturb_a_reading_that_began(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as journal:
            journal.append(Noted("1"), Noted("2"))
            reading = journal.read()
            first = next(reading)
            journal.append(Noted("3"))
            numbers = [first[0], *(number for number, _ in reading)]
            assert numbers[:2] == [1, 2]
            assert numbers in ([1, 2], [1, 2, 3])
            assert [number for number, _ in journal.read(2)] == [3]

    def test_readers_see_whole_appends_only(self, tmp_path: Path) -> None:
        """A reader beside the writer meets pairs, in order, and in the end all of them."""
        wrong: list[str] = []
        seen: list[int] = []
        done = threading.Event()

        def follow() -> None:
            with self.reader(tmp_path, journal) as other:
                last = False
                while not last:
                    last = done.is_set()  # one more look after the writer's end
                    numbers = [number for number, _ in other.read()]
                    seen.append(len(numbers))
                    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) % 2:
                        wrong.append(f"{len(numbers)} events, numbered {numbers[-3:]} at the end")

        with self.open(tmp_path) as journal:
            thread = threading.Thread(target=follow)
            thread.start()
            for number in range(_APPENDS):
                journal.append(Noted("left", {"n": number}), Noted("right", {"n": number}))
            done.set()
            thread.join()
        assert not wrong, wrong[:3]
        assert seen == sorted(seen), "what was there once stays"
        assert seen[-1] == 2 * _APPENDS
