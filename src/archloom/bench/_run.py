"""Bench: all searches of a comparison, in this process or several, kept as they end."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from archloom.bench._cell import Cell
from archloom.bench._entry import Entry
from archloom.bench._results import Results
from archloom.bench._setting import Setting
from archloom.bench._simulate import require_usable, simulate
from archloom.errors import ConfigError, RunChanged, RunError

CELLS = "cells.jsonl"

Watch = Callable[[Cell | None, int, int], None]
"""Called with each cell that ended (None at the start), how many are done, and of how many."""


@dataclass(frozen=True)
class Bench:
    """A comparison of strategies on a table: each one with each seed.

    Every search that ended is a line of `cells.jsonl` in the folder; what is there is not run
    again, so that an interrupted comparison goes on and a finished one takes more seeds or
    strategies.

    Raises (from `check` and `run`):
        ConfigError: for settings that do not fit, or a strategy that cannot search the table.
        RunChanged: when the folder holds results of another table, column or budget.

    >>> import tempfile
    >>> from archloom.bench import parse_entries
    >>> from archloom.objective import Objective
    >>> from archloom.tables import table_of
    >>> table = table_of({"width": [8, 16, 32], "accuracy": [0.7, 0.8, 0.9]}, ["width"])
    >>> setting = Setting(table, Objective("accuracy"), budget=3)
    >>> bench = Bench(setting, parse_entries("random,grid"), Path(tempfile.mkdtemp()), seeds=4)
    >>> [(row.strategy, row.found) for row in bench.run().summary([3])]
    [('random', 1.0), ('grid', 1.0)]
    """

    setting: Setting
    entries: tuple[Entry, ...]
    folder: Path
    seeds: int = 20
    first_seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        for name, low in (("seeds", 1), ("first_seed", 0), ("workers", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(f"{name} is a whole number from {low}, got {value!r}.")

    def check(self) -> None:
        """Raise unless every strategy can search the table and the folder's results fit."""
        for entry in self.entries:
            require_usable(entry.strategy(), self.setting, entry.label)
        self._require_same()

    def run(self, watch: Watch | None = None) -> Results:
        """Run what is not done yet and give all results of these strategies and seeds."""
        self.check()
        self.folder.mkdir(parents=True, exist_ok=True)
        done = {(cell.strategy, cell.seed): cell for cell in self._kept()}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        wanted = [(entry, seed) for seed in seeds for entry in self.entries]
        left = [(entry, seed) for entry, seed in wanted if (entry.label, seed) not in done]
        tell = watch or (lambda cell, ended, all_of_them: None)
        tell(None, len(wanted) - len(left), len(wanted))
        with self._open() as file:
            for cell in self._searched(left):
                done[cell.strategy, cell.seed] = cell
                file.write(cell.to_json() + "\n")
                file.flush()
                count = sum((entry.label, seed) in done for entry, seed in wanted)
                tell(cell, count, len(wanted))
        return self.results()

    def results(self) -> Results:
        """Give what is there of these strategies and seeds, in the order of the comparison."""
        kept = {(cell.strategy, cell.seed): cell for cell in self._kept()}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        cells = [kept.get((entry.label, seed)) for entry in self.entries for seed in seeds]
        return Results(tuple(c for c in cells if c is not None), self.setting.header())

    def _searched(self, left: Sequence[tuple[Entry, int]]) -> Iterator[Cell]:
        if self.workers == 1:
            for entry, seed in left:
                yield simulate(entry.strategy(), self.setting, seed, entry.label)
            return
        context = multiprocessing.get_context("spawn")
        with tempfile.TemporaryDirectory() as folder:
            parcel = Path(folder) / "setting"
            parcel.write_bytes(pickle.dumps(self.setting))
            with ProcessPoolExecutor(self.workers, context, _begin) as pool:
                waiting = {pool.submit(_search, str(parcel), *task) for task in left}
                try:
                    while waiting:
                        ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in ended:
                            yield future.result()
                finally:
                    for future in waiting:
                        future.cancel()

    # -- the file of cells -------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        return self.folder / CELLS

    def _lines(self) -> list[str]:
        """Give the whole lines of the file; an interrupted write may have left a part of one."""
        if not self._path.is_file():
            return []
        text = self._path.read_text()
        return text[: text.rfind("\n") + 1].splitlines()

    def _kept(self) -> list[Cell]:
        return [Cell.from_json(line) for line in self._lines()[1:]]

    def _require_same(self) -> None:
        lines = self._lines()
        if not lines:
            return
        own = self.setting.header()
        try:
            kept = json.loads(lines[0])["header"]
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"{self._path} holds no results of a comparison: choose another folder."
            ) from error
        for key, value in own.items():
            if kept.get(key) != value:
                raise RunChanged(
                    f"The results in {self.folder} are of {key} {kept.get(key)!r}, not {value!r}: "
                    f"choose another folder for this comparison, or delete {CELLS} there."
                )

    def _open(self) -> TextIO:
        """Open the file to append to, without what an interrupted write left."""
        lines = self._lines() or [json.dumps({"header": self.setting.header()})]
        self._path.write_text("".join(f"{line}\n" for line in lines))
        return self._path.open("a")


# -- in a worker process ---------------------------------------------------------------------


def _begin() -> None:
    """Leave Ctrl-C to the parent, and one thread to each process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # for what is imported later
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(1)


def _search(parcel: str, entry: Entry, seed: int) -> Cell:
    return simulate(entry.strategy(), _opened(parcel), seed, entry.label)


@lru_cache(maxsize=1)
def _opened(parcel: str) -> Setting:
    """Read the setting once a process."""
    setting: Setting = pickle.loads(Path(parcel).read_bytes())
    return setting
