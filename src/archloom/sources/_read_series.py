"""Files of series: tables with a row a sample, and tables with a row an observation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._columns import Columns, column_kind, missing, numbers_of, text_of
from archloom.sources._observations import Observations, checked
from archloom.sources._ragged import Ragged
from archloom.sources._read_table import read_table


def read_series(
    path: Path,
    target: str | None,
    sample: str | None,
    value: str | Sequence[str] | None,
    names: dict[str, str | None],
    static: Any,
) -> tuple[Any, Any, Any]:
    """Give series, targets and a table of facts or None; see `from_series`."""
    table = read_table(path)
    if target is None:
        raise ConfigError(
            f"A table of series needs target=, the column to predict: {', '.join(table.values)}."
        )
    facts = list(static or ())
    values = [value] if isinstance(value, str) else list(value or ())
    asked = [target, *facts, *values, *(n for n in (sample, *names.values()) if n is not None)]
    for name in asked:
        if name not in table.values:
            raise DataError(
                f"The table has no column {name!r}: {did_you_mean(name, table.values)}."
            )
    if sample is None:
        body = table.without([target, *facts])
        grid = [numbers_of(column, "number", name) for name, column in body.values.items()]
        beside = Columns({n: table.values[n] for n in facts}, named=True) if facts else None
        return np.stack(grid, 1), _labels(table.values[target], target), beside
    return _long(table, target, sample, values, names, facts)


def _long(
    table: Columns,
    target: str,
    sample: str,
    values: Sequence[str],
    names: dict[str, str | None],
    facts: Sequence[str],
) -> tuple[Any, Any, Any]:
    if not values:
        raise ConfigError("A table with a row an observation needs value=, the measured columns.")
    keys = np.array([text_of(v) for v in table.values[sample]])
    samples, place = np.unique(keys, return_inverse=True)
    order = np.argsort(place, kind="stable")
    offset = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(samples)))])
    first = order[offset[:-1]]
    for name in (target, *facts):
        _check_same(table.values[name], place, first, name, samples)
    y = _labels(table.values[target][first], target)
    beside = Columns({n: table.values[n][first] for n in facts}, named=True) if facts else None
    columns = {n: numbers_of(table.values[n], "number", n)[order] for n in values}
    if names["time"] is None:
        points = np.stack(list(columns.values()), 1)
        return Ragged(np.split(points, offset[1:-1]), len(columns)), y, beside
    times = _times(table.values[names["time"]], names["time"])[order]
    if len(columns) > 1 or names["channel"] is None:
        stacked = np.stack(list(columns.values()), 1)
        cut = [np.split(part, offset[1:-1]) for part in (times, stacked)]
        found = Observations.of(list(zip(*cut, strict=True)))
        return found, y, beside
    kinds = np.array([text_of(v) for v in table.values[names["channel"]]])[order]
    known, channel = np.unique(kinds, return_inverse=True)
    errors = (
        None
        if names["error"] is None
        else numbers_of(table.values[names["error"]], "number", names["error"])[order]
    )
    (measured,) = columns.values()
    found = checked(Observations(offset, times, measured, errors, channel, tuple(known.tolist())))
    return found, y, beside


def _check_same(
    column: np.ndarray, sample: np.ndarray, first: np.ndarray, name: str, samples: np.ndarray
) -> None:
    expected = column[first][sample]
    absent = missing(column) & missing(expected)
    bad = np.flatnonzero(~((column == expected) | absent))
    if len(bad):
        raise DataError(
            f"Column {name!r} must be the same in all rows of a sample, {samples[sample[bad[0]]]} "
            f"has {expected[bad[0]]} and {column[bad[0]]}."
        )


def _times(column: np.ndarray, name: str | None) -> np.ndarray:
    kind = column_kind(column)
    return numbers_of(column, "number" if kind == "boolean" else kind, str(name))


def _labels(column: np.ndarray, name: str) -> np.ndarray:
    absent = int(missing(column).sum())
    if absent:
        raise DataError(f"The target {name!r} is missing in {absent} rows: leave them out.")
    if column.dtype.kind == "O":
        return np.array([text_of(value) for value in column])
    return column
