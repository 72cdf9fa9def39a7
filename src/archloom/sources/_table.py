"""Task from a table: a CSV or Parquet file, a pandas frame, or anything with named columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._array_file import is_array_file, read_arrays
from archloom.sources._columns import Columns, column_kind, columns_of, missing, numbers_of, text_of
from archloom.sources._encode_table import TableEncoder
from archloom.sources._encoded import encoded_task
from archloom.sources._read_table import read_table
from archloom.task import Task, existing, json_source

_FEW = 20


def from_table(
    path: Any,
    target: str | Sequence[str] | None = None,
    *,
    predict: Any = None,
    drop: str | Sequence[str] = (),
    groups: str | None = None,
    time: str | None = None,
    valid: float | str | Path | Any = 0.1,
    test: float | str | Path | Any = None,
    seed: int = 0,
    numbers: str = "standard",
    categories: str | Sequence[str] = (),
    max_categories: int = 64,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    **settings: Any,
) -> Task:
    """Read a table and predict the column `target`, or several of them, from the others.

    `path` is a CSV file (packed with gzip or not) or a Parquet file, a pandas frame, a dict of
    columns or a list of dicts; or an `.npz` file with arrays X and y, where no target is named,
    and perhaps X_val, y_val, X_test, y_test and groups. `valid` and `test` are fractions, or
    tables of their own. `groups` names a column whose equal values stay on one side of a split,
    `time` one by which rows are split, the latest last; neither is an input, nor is what `drop`
    lists.

    A target column of text, truth values or at most 20 whole numbers is a class, other numbers
    are numbers; several columns of 0 and 1 are labels, several of both kinds are mixed.
    `predict` decides it: `classes`, `labels`, `numbers`, or a `Target`.

    `numbers`, `categories` and `max_categories` are those of `TableEncoder`, which becomes the
    task's encoder; `separator`, `encoding` and `header` those of a CSV file where they cannot be
    found out. Further settings are those of `from_arrays`.

    Raises:
        DataError: for files that cannot be read, columns that do not exist, and missing targets.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "flowers.csv"
    ...     rows = [f"{i % 7},{('red', 'blue')[i % 3 > 0]},{'ab'[i % 2]}" for i in range(60)]
    ...     _ = path.write_text("\\n".join(["petals,colour,kind", *rows]))
    ...     task = from_table(path, "kind", test=0.2)
    >>> task
    Task('flowers', 42/6/12, shape={'numbers': (1,), 'categories': (1,)}, classes=2)
    """
    how: dict[str, Any] = {"separator": separator, "encoding": encoding, "header": header}
    scales: dict[str, Any] = {"numbers": numbers, "max_categories": max_categories}
    if is_array_file(path):
        named = {"target": target, "drop": drop, "time": time, "categories": categories}
        named |= {"groups": groups} if isinstance(groups, str) else {}
        _refuse_names(path, named)
        own = {"predict": predict, "valid": valid, "test": test, "seed": seed, "groups": groups}
        return _of_arrays(existing(path, "table"), scales, {**own, **settings})
    if target is None:
        raise ConfigError(
            "A table needs target, the name of the column to predict: pass it as --target COLUMN "
            "to `archloom fit`, as target=... in Python, or in a settings file as "
            "`data: {name: table, path: ..., target: ...}`."
        )
    whole = _read(path, how)
    names, drop, categories = (_listed(given) for given in (target, drop, categories))
    aside = [*names, *(name for name in (groups, time) if name is not None), *drop]
    _check_names(whole, aside, names)
    _check_finite(whole.without(aside))
    parts = {"valid": valid, "test": test}
    given: dict[str, Any] = {
        part: _pair(_read(value, how), names, aside, predict, part) if _is_table(value) else value
        for part, value in parts.items()
    }
    y, kind = _targets(whole, names, predict, "the table")
    options = {
        **settings,
        **how,
        "target": target,
        "predict": predict,
        "drop": drop,
        "groups": groups,
        "time": time,
        "seed": seed,
        **scales,
        "categories": categories,
        "valid": _absolute(valid),
        "test": _absolute(test),
    }
    source = json_source("table", path=_absolute(path), **options)
    settings.setdefault("name", Path(path).stem if isinstance(path, str | Path) else "table")
    encoder = TableEncoder(**scales, categories=categories, ignore=aside)
    return encoded_task(
        whole.without(aside),
        y,
        encoder,
        kind="table",
        target=kind,
        seed=seed,
        groups=None if groups is None else _keys(whole.values[groups], groups),
        time=None if time is None else _times(whole.values[time], time),
        source=source,
        **given,
        **{**_named(names, kind, y), **settings},
    )


def _refuse_names(path: Any, named: Mapping[str, Any]) -> None:
    """Refuse settings that name columns of a file that has arrays."""
    for name, value in named.items():
        if value:
            raise ConfigError(
                f"{name}={value!r} names columns, and {path} holds arrays without names: leave it "
                f"out, or write the table as a CSV file."
            )


def _of_arrays(path: Path, scales: Mapping[str, Any], given: dict[str, Any]) -> Task:
    """Make a task of X and y of an npz file."""
    source = json_source("table", path=path, **scales, **given)
    X, y, own = read_arrays(path, given)
    settings = {"name": path.stem, **given, **own}
    return encoded_task(
        columns_of(X),
        y,
        TableEncoder(**scales),
        kind="table",
        target=settings.pop("predict"),
        source=source,
        **settings,
    )


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _check_finite(inputs: Columns) -> None:
    """Refuse infinite values here, while rows have the numbers that the user knows."""
    for name, column in inputs.values.items():
        if column.dtype.kind == "f":
            numbers_of(column, "number", name)


def _is_table(value: Any) -> bool:
    return value is not None and not isinstance(value, int | float)


def _absolute(value: Any) -> Any:
    return str(existing(value, "table")) if isinstance(value, str | Path) else value


def _read(source: Any, how: Mapping[str, Any]) -> Columns:
    if isinstance(source, str | Path):
        return read_table(source, **how)
    found = columns_of(source)
    if not found.named:
        raise DataError(
            "A table with a target column has names: give a file, a pandas frame or a dict of "
            "columns. For arrays there is from_arrays(X, y)."
        )
    return found


def _check_names(whole: Columns, aside: Sequence[str], targets: Sequence[str]) -> None:
    if not targets:
        raise ConfigError("target names the column to predict, got none.")
    for name in aside:
        if name not in whole.values:
            raise DataError(
                f"The table has no column {name!r}: {did_you_mean(name, whole.values)}."
            )
    if not len(whole):
        raise DataError("A table needs rows, this one has none.")
    if set(whole.values) <= set(aside):
        raise DataError(f"No column is left to predict from: all of {', '.join(aside)} are taken.")


def _pair(
    part: Columns, names: Sequence[str], aside: Sequence[str], predict: Any, where: str
) -> tuple[Columns, Any]:
    for name in names:
        if name not in part.values:
            raise DataError(f"The table {where}= has no column {name!r}, which is the target.")
    y, _ = _targets(part, names, predict, f"the table {where}=")
    return part.without(aside), y


def _targets(whole: Columns, names: Sequence[str], predict: Any, where: str) -> tuple[Any, Any]:
    """Give y as `from_arrays` takes it, and the kind of target."""
    columns = {name: whole.values[name] for name in names}
    for name, column in columns.items():
        absent = np.flatnonzero(missing(column))
        if len(absent):
            raise DataError(
                f"The target {name!r} is missing in {len(absent)} of {len(column)} rows of "
                f"{where}, first in row {absent[0]}: leave those rows out."
            )
    kinds = {name: _target_kind(column) for name, column in columns.items()}
    if predict is not None and isinstance(predict, str) and predict != "mixed":
        kinds = dict.fromkeys(names, predict)
    if len(names) == 1:
        name = names[0]
        return _one(columns[name], kinds[name], name), predict or kinds[name]
    truth = all(_is_zero_one(column) for column in columns.values())
    if predict == "labels" or (predict is None and truth):
        table = [numbers_of(column, "boolean", name) for name, column in columns.items()]
        return np.stack(table, 1).astype(np.int64), "labels"
    if set(kinds.values()) == {"numbers"}:
        table = [_one(column, "numbers", name) for name, column in columns.items()]
        return np.stack(table, 1), predict or "numbers"
    each = {name: _one(column, kinds[name], name) for name, column in columns.items()}
    return each, kinds if predict in (None, "mixed", "classes") else predict


def _target_kind(column: np.ndarray) -> str:
    if column.dtype.kind not in "iuf":
        return "classes"
    distinct = np.unique(column)
    whole = bool((distinct == np.round(distinct)).all())
    return (
        "classes" if whole and len(distinct) <= min(_FEW, max(2, len(column) // 2)) else "numbers"
    )


def _is_zero_one(column: np.ndarray) -> bool:
    return column.dtype.kind in "biuf" and bool(np.isin(column, (0, 1)).all())


def _one(column: np.ndarray, kind: Any, name: str) -> np.ndarray:
    if kind == "numbers":
        return numbers_of(column, "number", name)
    if column.dtype.kind in "iu" and column.min() >= 0:
        return column
    return np.array([text_of(value) for value in column])


def _named(names: Sequence[str], kind: Any, y: Any) -> dict[str, Any]:
    return {"class_names": list(names)} if kind in ("labels", "numbers") else {}


def _keys(column: np.ndarray, name: str) -> np.ndarray:
    absent = int(missing(column).sum())
    if absent:
        raise DataError(f"Each row needs a group, {name!r} is missing in {absent} rows.")
    return np.array([text_of(value) for value in column])


def _times(column: np.ndarray, name: str) -> np.ndarray:
    kind = column_kind(column)
    if kind == "category":
        raise DataError(f"Column {name!r} is to order rows in time, it holds text: give dates.")
    days = numbers_of(column, kind, name)
    absent = int(np.isnan(days).sum())
    if absent:
        raise DataError(f"Each row needs a time, {name!r} is missing in {absent} rows.")
    return days
