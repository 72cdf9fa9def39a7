"""Results: what a comparison found, as plain rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.bench._cell import Cell
from archloom.bench._significance import Pair, Ranking, compare_pairs, rank
from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """A strategy at one budget, over its seeds.

    `searched` and `reported` are means of the best one known, `regret` the mean distance of the
    searched value to the table's best, `found` the share of seeds that have that one; `se` is the
    standard error of `reported`.
    """

    strategy: str
    budget: float
    seeds: int
    searched: float
    reported: float
    se: float
    regret: float
    found: float


@dataclass(frozen=True)
class Results:
    """The cells of a comparison and the questions that one asks of them.

    `header` is `Setting.header()`: what was searched.
    """

    cells: tuple[Cell, ...]
    header: Mapping[str, Any]

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """The strategies that have results, in the order of the comparison."""
        return tuple(dict.fromkeys(cell.strategy for cell in self.cells))

    @property
    def budget(self) -> int:
        """The budget of every search."""
        return int(self.header["budget"])

    @property
    def objective(self) -> Objective:
        """What was searched for."""
        return Objective.parse(self.header["objective"])

    def of(self, strategy: str) -> tuple[Cell, ...]:
        """Give the cells of a strategy, by seed. Raises `ConfigError` where there are none."""
        found = [cell for cell in self.cells if cell.strategy == strategy]
        if not found:
            raise ConfigError(
                f"There are no results of {strategy!r}: {did_you_mean(strategy, self.strategies)}."
            )
        return tuple(sorted(found, key=lambda cell: cell.seed))

    def marks(self) -> tuple[int, ...]:
        """Give the budgets that tables show: an eighth, a quarter, a half and all of it."""
        shares = (self.budget / 8, self.budget / 4, self.budget / 2, self.budget)
        return tuple(sorted({max(1, round(share)) for share in shares}))

    def summary(self, budgets: Sequence[float] | None = None) -> tuple[Summary, ...]:
        """Give a row for each strategy and budget, `marks()` unless given."""
        chosen = self.marks() if budgets is None else budgets
        return tuple(self._summary(s, b) for s in self.strategies for b in chosen)

    def _summary(self, strategy: str, budget: float) -> Summary:
        cells = self.of(strategy)
        values = np.array([cell.at(budget) for cell in cells])
        seeds = len(cells)
        reported = values[:, 1]
        known = reported[~np.isnan(reported)]
        return Summary(
            strategy,
            budget,
            seeds,
            _mean(values[:, 0]),
            _mean(reported),
            float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan,
            _mean(self._regret(values[:, 0])),
            sum(cell.found(budget) for cell in cells) / seeds,
        )

    def grid(self, points: int = 100) -> Numbers:
        """Give the budgets at which curves are drawn."""
        steps = np.linspace(1, self.budget, min(points, self.budget))
        return np.unique(np.round(steps))

    def curve(self, strategy: str, what: str = "regret") -> Numbers:
        """Give lower quartile, median and upper quartile over seeds, a row for each of `grid()`.

        `what` is `"searched"`, `"reported"` or `"regret"`. NaN while a seed has no result yet.

        Raises:
            ConfigError: for another word, or a strategy without results.
        """
        if what not in ("searched", "reported", "regret"):
            raise ConfigError(f"A curve is of searched, reported or regret values, got {what!r}.")
        grid, cells = self.grid(), self.of(strategy)
        column = 1 if what == "reported" else 0
        values = np.array([[cell.at(budget)[column] for cell in cells] for budget in grid])
        if what == "regret":
            values = self._regret(values)
        quartiles: Numbers = np.quantile(values, (0.25, 0.5, 0.75), axis=1).T
        return quartiles

    def found(self, strategy: str) -> Numbers:
        """Give the share of seeds that have the table's best, for each of `grid()`."""
        cells = self.of(strategy)
        return np.array([sum(cell.found(b) for cell in cells) / len(cells) for b in self.grid()])

    def mean_ranks(self) -> dict[str, Numbers]:
        """Give every strategy's mean rank over the seeds, for each of `grid()`."""
        found = [rank(self.gains(budget)).ranks for budget in self.grid()]
        return {name: np.array([ranks[name] for ranks in found]) for name in self.strategies}

    def ranking(self, budget: float | None = None) -> Ranking:
        """Give mean ranks of the searched value and the Friedman test, at the end unless told."""
        return rank(self.gains(self.budget if budget is None else budget))

    def pairs(self, budget: float | None = None) -> tuple[Pair, ...]:
        """Compare every two strategies by the searched value, at the end unless told."""
        return compare_pairs(self.gains(self.budget if budget is None else budget))

    def gains(self, budget: float) -> dict[str, Numbers]:
        """Give the searched values of the seeds that all have, larger being better."""
        shared = set.intersection(*({c.seed for c in self.of(s)} for s in self.strategies))
        gain = self.objective.gain
        return {
            strategy: np.array(
                [gain(cell.at(budget)[0]) for cell in self.of(strategy) if cell.seed in shared]
            )
            for strategy in self.strategies
        }

    def ask_ms(self, strategy: str) -> tuple[float, float]:
        """Give the mean milliseconds of an ask, over the search and over its last tenth."""
        cells = self.of(strategy)
        return (
            float(np.mean([cell.ask_ms for cell in cells])),
            float(np.mean([cell.ask_ms_late for cell in cells])),
        )

    def write_csv(self, folder: Path, budgets: Sequence[float] | None = None) -> tuple[Path, Path]:
        """Write `summary.csv`, and `curves.csv` with every change of the best one known."""
        summary, curves = folder / "summary.csv", folder / "curves.csv"
        fields = list(Summary.__dataclass_fields__)
        _write(
            summary, fields, ([getattr(row, f) for f in fields] for row in self.summary(budgets))
        )
        steps = (
            (c.strategy, c.seed, *step[:3], int(step[3])) for c in self.cells for step in c.path
        )
        heads = ["strategy", "seed", "budget", "searched", "reported", "best"]
        _write(curves, heads, steps)
        return summary, curves

    def _regret(self, values: Numbers) -> Numbers:
        return np.abs(float(self.header["optimum"]) - values)


def _mean(values: Numbers) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows(rows)
