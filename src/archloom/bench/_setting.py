"""Setting: what all strategies of a comparison search, and what counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.strategies import Offer
from archloom.tables import Table

Missing = Literal["error", "reject"]


@dataclass(frozen=True)
class Setting:
    """A table, the column that is searched on, the one that is reported, and a budget.

    `objective` is the searched column and its direction, as `Objective.parse` reads it; `report`
    the column whose value is reported of the best one found, the searched one unless given.
    `budget` counts distinct architectures evaluated in full; where a strategy spends a share of
    the full effort, that share. `missing="reject"` allows a table that does not have the whole
    space: what it does not have is rejected at no cost, as if it broke a constraint.

    Raises:
        ConfigError: for a missing column, a budget below 1, or a table with gaps.

    >>> from archloom.tables import table_of
    >>> table = table_of({"width": [16, 32], "accuracy": [0.8, 0.9]}, ["width"])
    >>> setting = Setting(table, Objective("accuracy"), budget=2)
    >>> setting.optimum, setting.offer.budgets
    (0.9, (1.0,))
    """

    table: Table
    objective: Objective
    report: str | None = None
    budget: int = 100
    missing: Missing = "error"

    def __post_init__(self) -> None:
        if isinstance(self.budget, bool) or not isinstance(self.budget, int) or self.budget < 1:
            raise ConfigError(f"The budget is a whole number from 1, got {self.budget!r}.")
        if self.missing not in ("error", "reject"):
            raise ConfigError(f"missing is 'error' or 'reject', got {self.missing!r}.")
        self.table.column(self.reported)
        gaps = int(np.isinf(self.gains).sum())
        if gaps == len(self.table):
            raise ConfigError(f"The column {self.objective.metric!r} has no value at all.")
        absent = self.table.space.size - len(self.table) + gaps
        if absent and self.missing == "error":
            raise ConfigError(
                f"The table {self.table.name!r} has no {self.objective.metric!r} for {absent} of "
                f"the {self.table.space.size} architectures of its space: give the space that it "
                f"covers, or let a search pass over what is not there (--missing "
                f"reject, in Python missing='reject')."
            )

    @property
    def reported(self) -> str:
        """The reported column."""
        return self.report or self.objective.metric

    @cached_property
    def gains(self) -> np.ndarray:
        """The searched values in full effort, larger being better; minus infinity for gaps."""
        return self.table.order(self.objective)

    @cached_property
    def optimum(self) -> float:
        """The best searched value of the table."""
        best = float(self.gains.max())
        return best if self.objective.direction == "max" else -best

    @cached_property
    def steps(self) -> tuple[tuple[float, str], ...]:
        """The budgets that the table knows of the searched column."""
        return self.table.steps(self.objective.metric)

    @cached_property
    def offer(self) -> Offer:
        """What the strategies are offered."""
        return Offer(
            objectives=(self.objective,),
            budgets=tuple(share for share, _ in self.steps),
            trials=self.budget,
        )

    def score(self, architecture: Architecture, share: float) -> float | None:
        """Give the searched value at a share of the effort, None for what the table has not."""
        if architecture not in self.table:
            return None
        column = next((c for s, c in self.steps if abs(s - share) <= 1e-6 * s), None)
        if column is None:
            raise ConfigError(
                f"A strategy must ask for a budget that the table knows, got {share!r}; known are "
                f"{', '.join(f'{s:.4g}' for s, _ in self.steps)}."
            )
        value = self.table.value(architecture, column)
        return None if np.isnan(value) else value

    def header(self) -> dict[str, Any]:
        """Give what two results must share to be compared, as JSON can hold it."""
        values = self.table.column(self.objective.metric)
        return {
            "table": self.table.name,
            "architectures": len(self.table),
            "space": self.table.space.fingerprint,
            "sum": round(float(np.nansum(values)), 3),
            "objective": str(self.objective),
            "report": self.reported,
            "budget": self.budget,
            "budgets": list(self.offer.budgets),
            "missing": self.missing,
            "optimum": self.optimum,
        }
