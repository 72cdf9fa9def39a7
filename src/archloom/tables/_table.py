"""Table: architectures of a space and what was measured of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.errors import ConfigError, DataError, InvalidArchitecture, did_you_mean
from archloom.objective import Objective
from archloom.space import Space

Column = NDArray[np.float64]
Fidelities = tuple[tuple[float, str], ...]

_ALIKE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """What was measured of the architectures of a space: a row each, a column a measurement.

    A value that was not measured is NaN. A column `NAME@STEP` holds what `NAME` was after so many
    epochs (or any other step): searches can then spend the share STEP / last step of the full
    effort. `fidelities` says so for other columns: the shares in (0, 1], ascending to 1, and the
    column of each.

    Raises:
        ConfigError: for columns of another length, or fidelities that do not fit.
        DataError: when an architecture stands in two rows.
        InvalidArchitecture: when one is not a point of the space.

    >>> space = Space(()).joint(width=[16, 32])
    >>> table = Table(tuple(space.enumerate()), {"accuracy": np.array([0.8, 0.9])}, space)
    >>> table, table.value(Architecture({"width": 32}), "accuracy")
    (Table('table': 2 of 2 architectures, 1 column), 0.9)
    """

    architectures: tuple[Architecture, ...]
    columns: Mapping[str, Column]
    space: Space
    name: str = "table"
    fidelities: Mapping[str, Fidelities] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.architectures:
            raise DataError(f"A table needs at least one architecture, {self.name!r} has none.")
        held = {name: np.asarray(values, np.float64) for name, values in self.columns.items()}
        for name, values in held.items():
            if values.shape != (len(self.architectures),):
                raise ConfigError(
                    f"Every column has a value for each of the {len(self.architectures)} "
                    f"architectures, {name!r} has the shape {values.shape}."
                )
        object.__setattr__(self, "columns", held)
        self._check_architectures()
        for column, steps in self.fidelities.items():
            self._check_fidelities(column, steps)

    def _check_architectures(self) -> None:
        if len(self._rows) < len(self.architectures):
            pairs = enumerate(self.architectures)
            twice = next(a for row, a in pairs if self._rows[a.text] != row)
            raise DataError(f"An architecture has one row, {twice!r} stands in two.")
        for architecture in self.architectures:
            try:
                self.space.check(architecture)
            except InvalidArchitecture as error:
                raise InvalidArchitecture(
                    f"The table {self.name!r} has an architecture that its space does not: {error}"
                ) from error

    def _check_fidelities(self, column: str, steps: Fidelities) -> None:
        shares = [share for share, _ in steps]
        if not shares or shares != sorted(set(shares)) or shares[0] <= 0 or shares[-1] != 1.0:
            raise ConfigError(
                f"The fidelities of {column!r} are shares of the full effort, above 0 and "
                f"ascending to 1, got {shares}."
            )
        for _, name in steps:
            self.column(name)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {a.text: row for row, a in enumerate(self.architectures)}

    def __len__(self) -> int:
        return len(self.architectures)

    def __contains__(self, architecture: object) -> bool:
        return isinstance(architecture, Architecture) and architecture.text in self._rows

    def __repr__(self) -> str:
        size = self.space.size
        many = "s" if len(self.columns) != 1 else ""
        return (
            f"Table({self.name!r}: {len(self)} of {size} architectures, "
            f"{len(self.columns)} column{many})"
        )

    @property
    def complete(self) -> bool:
        """Whether every architecture of the space has a row."""
        return len(self) == self.space.size

    def row(self, architecture: Architecture) -> int:
        """Give the row of an architecture.

        Raises:
            InvalidArchitecture: when the table does not have it.
        """
        row = self._rows.get(architecture.text)
        if row is None:
            raise InvalidArchitecture(
                f"The table {self.name!r} has {len(self)} architectures, {architecture!r} is none "
                f"of them."
            )
        return row

    def column(self, name: str) -> Column:
        """Give a column's values in the order of the rows. Raises `ConfigError` for no such one."""
        if name not in self.columns:
            raise ConfigError(
                f"The table {self.name!r} has no column {name!r}: "
                f"{did_you_mean(name, self.columns)}."
            )
        return self.columns[name]

    def value(self, architecture: Architecture, column: str) -> float:
        """Give one value. Raises as `row` and `column` do."""
        return float(self.column(column)[self.row(architecture)])

    def steps(self, column: str) -> Fidelities:
        """Give the shares of the full effort at which a column is known, and the column of each.

        >>> space = Space(()).joint(width=[16, 32])
        >>> columns = {"accuracy": [0.8, 0.9], "accuracy@1": [0.5, 0.4], "accuracy@4": [0.8, 0.9]}
        >>> Table(tuple(space.enumerate()), columns, space).steps("accuracy")
        ((0.25, 'accuracy@1'), (1.0, 'accuracy'))
        """
        if column in self.fidelities:
            return self.fidelities[column]
        self.column(column)
        return steps_of(self.columns, column)

    def with_fidelities(self, column: str, columns: Mapping[float, str]) -> Table:
        """Give a table that knows `column` at these shares of the full effort.

        >>> space = Space(()).joint(width=[16, 32])
        >>> columns = {"short": [0.5, 0.4], "long": [0.8, 0.9]}
        >>> table = Table(tuple(space.enumerate()), columns, space)
        >>> table.with_fidelities("long", {0.06: "short", 1: "long"}).steps("long")
        ((0.06, 'short'), (1.0, 'long'))
        """
        steps = tuple(sorted((float(share), name) for share, name in columns.items()))
        return replace(self, fidelities={**self.fidelities, column: steps})

    def order(self, objective: Objective) -> Column:
        """Give the objective's column so that larger is better; minus infinity for gaps."""
        values = self.column(objective.metric)
        gains = values if objective.direction == "max" else -values
        return np.where(np.isnan(values), -math.inf, gains)

    def save(self, path: str | Path) -> Path:
        """Write the table as one `.npz` file, which `load_table` reads at once."""
        target = Path(path)
        columns: dict[str, Any] = {f"column:{name}": v for name, v in self.columns.items()}
        np.savez_compressed(
            target,
            architecture=np.array([a.text for a in self.architectures]),
            space=np.array(json.dumps(self.space.to_json())),
            fidelities=np.array(json.dumps(dict(self.fidelities))),
            name=np.array(self.name),
            **columns,
        )
        return target


def steps_of(names: Iterable[str], column: str) -> Fidelities:
    """Give the steps `column@STEP` among the names of columns, as shares of the last one."""
    marked = {float(n.rpartition("@")[2]): n for n in names if _step_of(n, column)}
    if not marked:
        return ((1.0, column),)
    last = max(marked)
    return (*((step / last, marked[step]) for step in sorted(marked)[:-1]), (1.0, column))


def _step_of(name: str, column: str) -> bool:
    stem, mark, step = name.rpartition("@")
    return bool(mark) and stem == column and step.isdigit() and int(step) > 0


def agree(first: float, second: float) -> bool:
    """Whether two measurements are the same number, rounding aside; NaN equals NaN."""
    both_none = math.isnan(first) and math.isnan(second)
    return both_none or math.isclose(first, second, rel_tol=_ALIKE, abs_tol=_ALIKE)
