"""Columns of any kind to a table: which are the architecture, which are numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.errors import ConfigError, DataError, InvalidArchitecture, did_you_mean
from archloom.space import Choice, Kind, OneOf, Option, SomeOf, Space
from archloom.tables._table import Column, Table, agree
from archloom.tables._texts import Labels, options_of, reader_of

Duplicates = Literal["error", "mean"]

_NAMES: Final = ("architecture", "arch_str", "arch", "architectures", "genotype", "cell")


def table_of(
    columns: Mapping[str, Any],
    architecture: str | Sequence[str] | None = None,
    *,
    space: Space | None = None,
    duplicates: Duplicates = "error",
    name: str = "table",
) -> Table:
    """Make a table of named columns.

    Args:
        columns: arrays or lists of one length. Columns that hold no numbers are left out.
        architecture: the column with the architectures (texts of NAS-Bench-201, JSON mappings of
            labels to values, or mappings), or the columns that are a choice each. Without it the
            one that is called `architecture`, `arch_str` or the like and reads like that.
        space: where the architectures come from. Without it: every value that a label has in the
            table, combined freely.
        duplicates: what to do with rows of one architecture that disagree: `"error"`, or `"mean"`
            for their mean (a table with a row a seed).
        name: how messages and reports call the table.

    Raises:
        ConfigError: when the architecture's columns are not there or cannot be found out.
        DataError: for architectures that cannot be read, or stand twice and disagree.
        InvalidArchitecture: when one is not a point of the space.

    >>> table = table_of({"width": [16, 32], "accuracy": [0.8, 0.9]}, ["width"])
    >>> table.space.size, table.value(Architecture({"width": 16}), "accuracy")
    (2, 0.8)
    """
    if duplicates not in ("error", "mean"):
        raise ConfigError(
            f"duplicates is 'error' or 'mean', got {duplicates!r}: which of the rows should count?"
        )
    used, rows = _labels_of(columns, architecture, name)
    if space is None:
        space = _space_of(rows, name, of_benchmark=len(used) == 1 and _is_coded(columns[used[0]]))
    else:
        rows = [_fitted(row, space) for row in rows]
    numbers = {
        column: values
        for column, given in columns.items()
        if column not in used and (values := _numbers(given)) is not None
    }
    if not numbers:
        raise DataError(f"A table needs a column of numbers, {name!r} has none beside {used}.")
    architectures = [Architecture(row) for row in rows]
    first, merged = _merged(architectures, numbers, duplicates, name)
    return Table(tuple(first), merged, space, name)


def _labels_of(
    columns: Mapping[str, Any], architecture: str | Sequence[str] | None, name: str
) -> tuple[tuple[str, ...], list[Labels]]:
    """Give the columns that describe architectures, and the label values of each row."""
    given = [architecture] if isinstance(architecture, str) else list(architecture or ())
    for column in given:
        if column not in columns:
            raise ConfigError(
                f"The table {name!r} has no column {column!r} for the architecture: "
                f"{did_you_mean(column, columns)}."
            )
    if len(given) == 1 and (read := _read(columns[given[0]])) is not None:
        return (given[0],), read
    if given:
        cells = [list(_plain(columns[column])) for column in given]
        return tuple(given), [
            {label: value for label, value in zip(given, row, strict=True) if value is not None}
            for row in zip(*cells, strict=True)
        ]
    for column in (*(n for n in _NAMES if n in columns), *columns):
        if (read := _read(columns[column])) is not None:
            return (column,), read
    raise ConfigError(
        f"No column of {name!r} reads like architectures (texts of NAS-Bench-201 or JSON "
        f"mappings): say which column holds them, or which columns are a choice each. "
        f"Known: {', '.join(columns)}."
    )


def _read(values: Any) -> list[Labels] | None:
    """Read a column of texts or mappings, None where it does not look like architectures."""
    cells = list(values)
    if cells and all(isinstance(cell, Mapping) for cell in cells):
        return cells
    read = reader_of(cells[0]) if cells and isinstance(cells[0], str) else None
    if read is None:
        return None
    rows = []
    for place, cell in enumerate(cells):
        if not isinstance(cell, str):
            raise DataError(f"Row {place} has no architecture, got {cell!r}.")
        rows.append(read(cell))
    return rows


def _plain(values: Any) -> Iterable[Any]:
    """Give a column as plain values, None for gaps; whole numbers with gaps stay whole."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        whole = bool(np.all(np.isnan(array) | (array == np.round(array))))
        gaps = bool(np.isnan(array).any())
        for value in array.tolist():
            yield None if value != value else int(value) if whole and gaps else value
        return
    yield from (None if value is None or value != value else value for value in array.tolist())


def _numbers(values: Any) -> Column | None:
    """Give a column of numbers, None for one that holds anything else."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.ndim != 1:
        return None
    return array.astype(np.float64)


def _is_coded(values: Any) -> bool:
    """Whether architectures stand in a benchmark's own code, not in JSON."""
    first = next(iter(values))
    return isinstance(first, str) and not first.lstrip().startswith("{")


def _space_of(rows: Sequence[Labels], name: str, of_benchmark: bool) -> Space:
    """Give the space of all values that a label has in the table, combined freely."""
    first = rows[0].keys()
    for row in rows:
        if row.keys() != first:
            odd = sorted(row.keys() ^ first)
            raise ConfigError(
                f"Without a space every architecture of {name!r} needs the same labels, but "
                f"{', '.join(map(repr, odd))} is not in all of them: give the space."
            )
    if of_benchmark:
        return Space(tuple(_known(label, [row[label] for row in rows]) for label in first))
    return Space(tuple(_choice(label, [row[label] for row in rows]) for label in first))


def _known(label: str, values: Sequence[Any]) -> Choice:
    options = dict.fromkeys([*options_of(label), *sorted(set(values))])
    kind: Kind = "value" if isinstance(values[0], int) else "layer"
    return Choice(label, kind, OneOf(tuple(map(Option, options))))


def _choice(label: str, values: Sequence[Any]) -> Choice:
    if any(isinstance(value, list | tuple) for value in values):
        parts = {part for value in values for part in value}
        sizes = [len(value) for value in values]
        options = tuple(map(Option, sorted(parts, key=_rank)))
        return Choice(label, "subset", SomeOf(options, min(sizes), max(sizes)))
    return Choice(label, "value", OneOf(tuple(map(Option, sorted(set(values), key=_rank)))))


def _rank(value: Any) -> tuple[str, Any]:
    """Order numbers by size and texts by the alphabet, where both occur numbers first."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value).__name__, str(value))
    return ("", value)


def _fitted(row: Labels, space: Space) -> Labels:
    """Give the values as the space has them: a file may hold 16.0 or "True" for 16 and True."""
    return {label: _option(label, value, space) for label, value in row.items()}


def _option(label: str, value: Any, space: Space) -> Any:
    choice = space.labels.get(label)
    if choice is None:
        raise InvalidArchitecture(
            f"The space has no label {label!r}: {did_you_mean(label, space.labels)}."
        )
    domain = choice.domain
    if isinstance(domain, OneOf) and domain.fault(value) is not None:
        for option in domain.options:
            if value == option.value or str(value).lower() == str(option.value).lower():
                return option.value
    if isinstance(value, float) and value.is_integer() and domain.fault(value) is not None:
        return int(value)
    return tuple(value) if isinstance(value, list) else value


def _merged(
    architectures: Sequence[Architecture],
    columns: Mapping[str, Column],
    duplicates: Duplicates,
    name: str,
) -> tuple[list[Architecture], dict[str, Column]]:
    """Give every architecture once, and its row of every column."""
    places: dict[str, list[int]] = {}
    for place, architecture in enumerate(architectures):
        places.setdefault(architecture.text, []).append(place)
    groups = list(places.values())
    first = [group[0] for group in groups]
    merged = {column: values[first] for column, values in columns.items()}
    for row, group in enumerate(groups):
        if len(group) == 1:
            continue
        for column, values in columns.items():
            if duplicates == "mean":
                known = values[group][~np.isnan(values[group])]
                merged[column][row] = known.mean() if len(known) else np.nan
                continue
            odd = next((p for p in group if not agree(values[p], values[group[0]])), None)
            if odd is not None:
                raise DataError(
                    f"The architecture in row {group[0]} of {name!r} stands again in row {odd}, "
                    f"and they disagree: {column} is {values[group[0]]:g} and {values[odd]:g}. "
                    f"Keep one of them, or take their mean: duplicates='mean'."
                )
    return [architectures[place] for place in first], merged
