"""LookUp: judge an architecture by what a table says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from archloom.errors import ConfigError, InvalidArchitecture, TrialError
from archloom.estimators._base import Candidate
from archloom.space import Space
from archloom.tables import Fidelities, Table, read_columns, steps_of, table_of

Fidelity = Mapping[str | float, str]

SECONDS = "simulated_seconds"

_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class LookUp:
    """Look the candidate up in a table instead of training it: a whole search in seconds.

    `path` is any file that `archloom.tables.load_table` reads, `architecture` the column or columns
    that it takes. `metrics` names the metrics and the column of each, such as
    `{"accuracy": "cifar10_valid_valid_12"}`; without it every column is a metric by its own name.
    In place of a column stands a mapping of shares of the full effort to columns where the table
    knows several, `{"accuracy": {0.06: "after_12", 1: "after_200"}}`; columns `NAME@STEP` are
    found without being told. Such shares are budgets that strategies can spend, and the steps up
    to the budget are reported as the learning curve.

    `seconds` is the column with the time that a full evaluation took: `simulated_seconds` is then
    a metric, less for smaller budgets. `missing` says what becomes of an architecture that the
    table does not have: `"error"` refuses a search over a space that the table does not cover,
    `"fail"` lets the trial fail. `duplicates` is that of `load_table`.

    >>> LookUp("table.npz", metrics={"accuracy": "valid"}).missing
    'error'
    """

    path: str
    metrics: Mapping[str, str | Fidelity] | None = None
    architecture: str | Sequence[str] | None = None
    seconds: str | None = None
    missing: Literal["error", "fail"] = "error"
    duplicates: Literal["error", "mean"] = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", str(self.path))
        if isinstance(self.architecture, list):
            object.__setattr__(self, "architecture", tuple(self.architecture))
        if self.missing not in ("error", "fail"):
            raise ConfigError(
                f"missing is 'error' or 'fail', for architectures that a table does not have; got "
                f"{self.missing!r}."
            )
        if self.metrics is not None and not self.metrics:
            raise ConfigError("metrics of a table names at least one, or is left out for all.")

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the metrics at the candidate's budget.

        Raises:
            TrialError: when the table does not have the architecture, or no value of a metric.
        """
        table = self._table(candidate.space.space)
        try:
            row = table.row(candidate.architecture)
        except InvalidArchitecture as error:
            raise TrialError(str(error)) from error
        budget = 1.0 if candidate.budget is None else candidate.budget
        budgets = self.budgets()
        if len(budgets) > 1:
            for step, share in enumerate(budgets, start=1):
                if share <= budget * _ROUNDING:
                    candidate.report(step, self._at(table, share, row))
        found = self._at(table, budget, row)
        gaps = [name for name, value in found.items() if math.isnan(value)]
        if gaps and self.metrics is None:
            return {name: value for name, value in found.items() if name not in gaps}
        if gaps:
            raise TrialError(
                f"The table {table.name!r} has no {', '.join(gaps)} for "
                f"{candidate.architecture!r}: name columns without gaps in `metrics`."
            )
        return found

    def check(self, space: Space) -> None:
        """Raise unless the table can be read, has the columns and covers the space.

        Raises:
            ConfigError: for a missing column, or architectures that the table does not have.
            DataError: for a file that cannot be read.
            InvalidArchitecture: when the table is one of another space.
        """
        table = self._table(space)
        for steps in self._steps().values():
            for _, column in steps:
                self._require_no_gaps(table, column)
        if self.missing == "error" and not table.complete:
            raise ConfigError(
                f"The table {table.name!r} has {len(table)} of the {space.size} architectures of "
                f"the space: narrow the space to what it has, or let the others fail "
                f"(missing='fail')."
            )

    def budgets(self) -> tuple[float, ...]:
        """Give the shares of the full effort that the table knows of every metric with several."""
        several = [steps for steps in self._steps(costs=False).values() if len(steps) > 1]
        if not several:
            return (1.0,)
        return tuple(sorted(set.intersection(*({share for share, _ in s} for s in several))))

    @property
    def names(self) -> frozenset[str]:
        """The names of the metrics."""
        return frozenset(self._steps())

    def _require_no_gaps(self, table: Table, column: str) -> None:
        values = table.column(column)
        gaps = sum(map(math.isnan, values.tolist()))
        if gaps and self.missing == "error" and self.metrics is not None:
            raise ConfigError(
                f"The column {column!r} of {table.name!r} has no value for {gaps} of the "
                f"{len(table)} architectures: name another column, or let those trials fail "
                f"(missing='fail')."
            )

    def _table(self, space: Space) -> Table:
        return _table(self.path, self.architecture, self.duplicates, space)

    def _steps(self, costs: bool = True) -> dict[str, Fidelities]:
        """Give the shares and columns of each metric."""
        source = _source(self.path)
        names = source.columns if isinstance(source, Table) else source
        own = (self.architecture,) if isinstance(self.architecture, str) else self.architecture
        free = [name for name in names if "@" not in name and name not in (own or ())]
        plain = {name: name for name in free if _numeric(names[name])}
        steps = {name: _read(source, given) for name, given in (self.metrics or plain).items()}
        if self.seconds is not None and costs:
            steps[SECONDS] = _read(source, self.seconds)
        return steps

    def _at(self, table: Table, share: float, row: int) -> dict[str, float]:
        """Give the metrics at a share of the effort: those of the nearest step at or below it."""
        found = {}
        for name, steps in self._steps().items():
            below = [column for known, column in steps if known <= share * _ROUNDING]
            value = float(table.column(below[-1] if below else steps[0][1])[row])
            in_proportion = name == SECONDS and not below
            found[name] = value * share / steps[0][0] if in_proportion else value
        return found


def _read(source: Mapping[str, Any] | Table, given: str | Fidelity) -> Fidelities:
    """Give the steps of what a metric is called in the settings."""
    if isinstance(given, str):
        return source.steps(given) if isinstance(source, Table) else steps_of(source, given)
    steps = tuple(sorted((float(share), column) for share, column in given.items()))
    if steps[0][0] <= 0 or steps[-1][0] != 1.0:
        raise ConfigError(
            f"A metric of several fidelities maps shares of the full effort, above 0 and up to 1, "
            f"to columns, got {dict(given)!r}."
        )
    return steps


def _numeric(values: Any) -> bool:
    first = next(iter(values))
    return not isinstance(first, str | Mapping | bytes) and first is not None


@lru_cache(maxsize=4)
def _source(path: str) -> Mapping[str, Any] | Table:
    return read_columns(path)


@lru_cache(maxsize=4)
def _table(
    path: str,
    architecture: str | tuple[str, ...] | None,
    duplicates: Literal["error", "mean"],
    space: Space,
) -> Table:
    source = _source(path)
    if isinstance(source, Table):
        return Table(source.architectures, source.columns, space, source.name, source.fidelities)
    return table_of(source, architecture, space=space, duplicates=duplicates, name=path)
