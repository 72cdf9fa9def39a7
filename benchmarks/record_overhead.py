"""Time what a search costs beside training: ask, record durably, tell; and opening a long record.

    python benchmarks/record_overhead.py

A trial here is what the search loop does for one with three epochs: ask the strategy, record the
start, tell, record three reports, record the end, tell. That makes five durable appends. Medians
and 95th percentiles are over the 500 trials that lead up to 1,000 and to 10,000. The reference is
a bare INSERT and COMMIT in SQLite with the same settings on the same disk, done between the trials
that are timed, so that a slow moment of the disk is seen in both.

Limits: median at most 3 ms a trial, at 10,000 trials at most half more than at 1,000; opening a
study of 10,000 trials at most 1 s. Where five bare commits alone take over 2 ms, the disk is too
slow (or too busy) to tell, and what comes on top of them must stay below 1 ms.
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from archloom import Evolution, Objective, Random, Space, State, Study
from archloom.journal import Event, Finished, Reported, SqliteJournal, Started
from archloom.strategies import Strategy

EPOCHS = 3
APPENDS = EPOCHS + 2
WINDOW = 500
POINTS = (1_000, 10_000)
LIMIT_MS, LIMIT_GROWTH, LIMIT_OPEN = 3.0, 1.5, 1.0
SLOW_DISK_MS, LIMIT_ON_TOP_MS = 2.0, 1.0


def spaces() -> dict[str, Space]:
    """A space that 10,000 trials nearly use up, and one that they do not."""
    operations = ["none", "skip", "conv1", "conv3", "pool3"]
    return {
        "6 edges x 5 operations": Space(()).joint(**{f"edge{n}": operations for n in range(6)}),
        "20 choices of 4": Space(()).joint(**{f"layer{n}": [16, 32, 64, 128] for n in range(20)}),
    }


def one_trial(number: int, strategy: Strategy, journal: SqliteJournal, study: Study) -> None:
    def record(event: Event) -> None:
        journal.append(event)
        study.apply(event)

    proposal = strategy.ask(number)
    if proposal is None:
        raise SystemExit("the space is used up: take a larger one")
    architecture = proposal.architecture
    record(Started(number, "search", architecture, number, parent=proposal.parent, time=1.7e9))
    strategy.tell(study[number])
    score = int(architecture.key[:8], 16) / 2**32
    for epoch in range(1, EPOCHS + 1):
        metrics = {"accuracy": score * epoch / EPOCHS, "loss": 1.0 / epoch}
        record(Reported(number, epoch, metrics, seconds=1.0 * epoch, time=1.7e9))
    metrics = {"accuracy": score, "loss": 0.3, "params": 9962.0, "flops": 1217152.0}
    record(Finished(number, State.DONE, metrics, seconds=3.5, time=1.7e9))
    strategy.tell(study[number])


class BareCommits:
    """The least that a durable record can cost here: one row, one commit, nothing around it."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("pragma journal_mode=wal")
        self._database.execute("pragma synchronous=full")
        self._database.execute(
            "create table events (number integer primary key, time real, kind text, data text)"
        )

    def milliseconds(self) -> float:
        text = '{"number":1,"step":1,"metrics":{"accuracy":0.5,"loss":1.0},"seconds":1.0}'
        row = (1.7e9, "reported", text)
        began = time.perf_counter()
        self._database.execute("begin")
        self._database.execute("insert into events (time, kind, data) values (?, ?, ?)", row)
        self._database.execute("commit")
        return 1000 * (time.perf_counter() - began)

    def close(self) -> None:
        self._database.close()


def milliseconds_a_trial(
    strategy: Strategy, space: Space, folder: Path, trials: int
) -> Iterator[tuple[float, float]]:
    """Give, for one trial after the other, its time and that of its number of bare commits."""
    strategy.setup(space, Objective("accuracy"), 0)
    study = Study()
    bare = BareCommits(folder / "bare.sqlite")
    with SqliteJournal(folder / "run", write=True) as journal:
        for number in range(trials):
            began = time.perf_counter()
            one_trial(number, strategy, journal, study)
            spent = 1000 * (time.perf_counter() - began)
            yield spent, APPENDS * bare.milliseconds()
    bare.close()


def seconds_to_open(folder: Path, trials: int, repeats: int = 5) -> list[float]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        study = Study.open(folder)
        times.append(time.perf_counter() - began)
        assert len(study) == trials
    return times


def _percentile(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def measure(points: Sequence[int], workplace: Path) -> bool:
    good = True
    print(f"python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {workplace}")
    for space_name, space in spaces().items():
        for strategy in (Random(), Evolution()):
            title = f"{space_name:<24} {type(strategy).__name__.lower():<10}"
            with tempfile.TemporaryDirectory(dir=workplace) as made:
                folder = Path(made)
                times = list(milliseconds_a_trial(strategy, space, folder, max(points)))
                opening = seconds_to_open(folder / "run", max(points))
            found = [at_point(title, point, times) for point in points]
            (first, bare_first), (last, bare_last) = found[0], found[-1]
            growth = min(last / first, last / first * bare_first / bare_last)
            print(
                f"{title} growth {last / first:.2f} x, beside the disk's own {growth:.2f} x; "
                f"opening {max(points):,} trials: median {statistics.median(opening):.2f} s, "
                f"worst {max(opening):.2f} s"
            )
            good &= all(fast_enough(*pair) for pair in found) and growth <= LIMIT_GROWTH
            good &= statistics.median(opening) <= LIMIT_OPEN
    return good


def fast_enough(median: float, bare: float) -> bool:
    if bare > SLOW_DISK_MS:
        return median - bare <= LIMIT_ON_TOP_MS
    return median <= LIMIT_MS


def at_point(title: str, point: int, times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Print and give the medians of the trials up to a point, and of the bare commits there."""
    window = times[max(0, point - WINDOW) : point]
    spent = [trial for trial, _ in window]
    median, bare = statistics.median(spent), statistics.median(bare for _, bare in window)
    print(
        f"{title} at {point:>6,} trials: median {median:.2f} ms, 95 % {_percentile(spent):.2f} ms "
        f"a trial; {APPENDS} bare commits {bare:.2f} ms, ratio {median / bare:.1f}"
        + (" (the disk is slow)" if bare > SLOW_DISK_MS else "")
    )
    return median, bare


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--points", type=int, nargs="+", default=POINTS, help="numbers of trials to look at"
    )
    parser.add_argument("--folder", type=Path, help="the disk to measure [default: temporary]")
    arguments = parser.parse_args()
    workplace = arguments.folder or Path(tempfile.gettempdir())
    good = measure(sorted(arguments.points), workplace)
    print("within the limits" if good else "BEYOND THE LIMITS")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
