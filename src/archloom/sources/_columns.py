"""Tables of any common form to named columns of plain NumPy values."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from archloom.errors import DataError

ColumnKind = Literal["number", "boolean", "date", "category"]

MISSING_TEXT = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "?"})
"""Text that stands for a missing value, in lower case."""

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?Z?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass(frozen=True)
class Columns:
    """The columns of a table by name, and whether the names are the user's own."""

    values: Mapping[str, np.ndarray]
    named: bool

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def take(self, index: np.ndarray) -> Columns:
        """Give the rows at `index`."""
        return Columns({name: column[index] for name, column in self.values.items()}, self.named)

    def without(self, names: Sequence[str]) -> Columns:
        """Give the other columns."""
        kept = {name: column for name, column in self.values.items() if name not in names}
        return Columns(kept, self.named)


def columns_of(X: Any) -> Columns:
    """Take a pandas frame, a 2-D array or tensor, a dict of columns, or a list of rows or dicts.

    Raises:
        DataError: for another rank or form, and for columns of different lengths.
    """
    if isinstance(X, Columns):
        return X
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        names = [str(name) for name in X.columns]
        return _checked({n: _from_pandas(X.iloc[:, i]) for i, n in enumerate(names)}, names)
    if isinstance(X, Mapping):
        return _checked({str(k): _plain(v, str(k)) for k, v in X.items()}, [str(k) for k in X])
    if isinstance(X, list | tuple) and X and all(isinstance(row, Mapping) for row in X):
        names = list(dict.fromkeys(str(name) for row in X for name in row))
        rows = [{str(k): v for k, v in row.items()} for row in X]
        return _checked({n: _objects([row.get(n) for row in rows]) for n in names}, names)
    array = _two_axes(X)
    found = {f"x{index}": _plain(array[:, index], "") for index in range(array.shape[1])}
    return Columns(found, named=False)


def missing(values: np.ndarray) -> np.ndarray:
    """Say which values of a column are missing."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(np.isnat(values))
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.array([_is_missing(value) for value in values], dtype=bool)


def column_kind(values: np.ndarray) -> ColumnKind:
    """Say what a column holds, of all its values that are not missing."""
    match values.dtype.kind:
        case "b":
            return "boolean"
        case "i" | "u" | "f":
            return "number"
        case "M":
            return "date"
    present = values[~missing(values)]
    if not len(present):
        return "number"
    for kind in ("boolean", "number", "date"):
        if all(_as_number(value, kind) is not None for value in present):
            return kind
    return "category"


def numbers_of(values: np.ndarray, kind: ColumnKind, name: str) -> np.ndarray:
    """Give a column as float64, NaN where missing; a date as days since 1970.

    Raises:
        DataError: for values that are no numbers, and for infinite ones.
    """
    if values.dtype.kind == "M":
        days: np.ndarray = values.astype("datetime64[us]").astype(np.int64) / 86_400e6
        result = np.where(np.isnat(values), np.nan, days)
    elif values.dtype.kind == "O":
        result = np.array([_number_or_nan(v, kind, name, i) for i, v in enumerate(values)])
    else:
        result = values
    result = result.astype(np.float64)
    bad = np.flatnonzero(np.isinf(result))
    if len(bad):
        raise DataError(
            f"Numbers must be finite: column {name!r} holds {len(bad)} infinite values, the first "
            f"in row {bad[0]}. Leave those rows out, or mark the values as missing (NaN)."
        )
    return result


def text_of(value: Any) -> str:
    """Give the text by which a category is known: 1, 1.0 and "1" are one category."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def check_names(names: Iterable[Any]) -> None:
    """Raise `DataError` for names that several columns bear."""
    counts = Counter(map(str, names))
    twice = [f"{count} columns {name!r}" for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(f"Columns need names of their own, there are {', '.join(twice)}.")


def _checked(found: dict[str, np.ndarray], names: list[str]) -> Columns:
    if not found:
        raise DataError("A table needs at least one column, got none.")
    check_names(names)
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"Columns must have one length, got {lengths}.")
    return Columns(found, named=True)


def _two_axes(X: Any) -> np.ndarray:
    if hasattr(X, "toarray"):
        raise DataError("A sparse matrix is not taken as a table: give X.toarray().")
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    try:
        array = np.asarray(X)
    except ValueError:
        lengths = sorted({len(row) for row in X if hasattr(row, "__len__")})
        raise DataError(f"Rows must have one length, got rows of {lengths} values.") from None
    if isinstance(X, list | tuple) and array.dtype.kind in "US":
        array = _rows(X)
    if array.ndim != 2:
        raise DataError(
            f"A table has two axes (rows, columns), got shape {array.shape}. One column: "
            f"X.reshape(-1, 1); images and series have sources of their own."
        )
    if not array.shape[1]:
        raise DataError("A table needs at least one column, got none.")
    return array


def _rows(X: Sequence[Any]) -> np.ndarray:
    """Keep what the values of a list are: NumPy would turn numbers beside text into text."""
    width = len(X[0]) if hasattr(X[0], "__len__") and not isinstance(X[0], str) else None
    if width is None:
        return np.asarray(X)
    array = np.empty((len(X), width), dtype=object)
    for index, row in enumerate(X):
        array[index] = row
    return array


def _from_pandas(column: Any) -> np.ndarray:
    kind = getattr(column.dtype, "kind", "O")
    if kind == "M":
        plain = column.dt.tz_convert(None) if getattr(column.dt, "tz", None) else column
        return np.asarray(plain.to_numpy(dtype="datetime64[us]"))
    if kind in "iufb" and not bool(column.isna().any()):
        return np.asarray(column.to_numpy(dtype=f"{kind}{column.dtype.itemsize}"))
    if kind in "iuf":
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind == "m":
        return np.asarray(column.dt.total_seconds().to_numpy(dtype=np.float64) / 86_400)
    absent = column.isna().to_numpy(dtype=bool)
    values = column.to_numpy(dtype=object).copy()
    values[absent] = None
    return _plain(values, str(column.name))


def _plain(raw: Any, name: str) -> np.ndarray:
    """Give a column as booleans, whole numbers, floats, dates or objects."""
    if hasattr(raw, "iloc"):
        return _from_pandas(raw)
    if hasattr(raw, "detach"):
        raw = raw.detach().cpu().numpy()
    if isinstance(raw, list | tuple):
        raw = _objects(raw)
    values = np.asarray(raw)
    where = f" in column {name!r}" if name else ""
    if values.ndim != 1:
        raise DataError(f"A column has one value a row, got shape {values.shape}{where}.")
    match values.dtype.kind:
        case "O":
            return _narrowed(values)
        case "b" | "i" | "u" | "f" | "M":
            return values
        case "U" | "S":
            return _objects(values.astype(str).tolist())
        case "m":
            return np.asarray(values / np.timedelta64(1, "D"))
    raise DataError(f"A table holds numbers, text, dates and truth, got {values.dtype}{where}.")


def _objects(values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _narrowed(values: np.ndarray) -> np.ndarray:
    """Give objects that are all numbers as numbers; everything else stays."""
    kinds = {type(value) for value in values}
    if kinds and all(issubclass(k, bool | np.bool_) for k in kinds):
        return values.astype(bool)
    if kinds and all(
        issubclass(k, int | float | np.integer | np.floating) and not issubclass(k, bool)
        for k in kinds
    ):
        return values.astype(np.float64)
    return values


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip().lower() in MISSING_TEXT
    return bool(value != value)  # NaN and NaT alone differ from themselves


def _number_or_nan(value: Any, kind: ColumnKind, name: str, row: int) -> float:
    if _is_missing(value):
        return float("nan")
    number = _as_number(value, kind)
    if number is None:
        raise DataError(
            f"Column {name!r} held {kind}s when the encoder was fitted, row {row} now holds "
            f"{value!r}. Correct the value, or leave it empty."
        )
    return number


def _as_number(value: Any, kind: str) -> float | None:
    """Give the number that a value stands for in a column of that kind, None where it is none."""
    if isinstance(value, bool | np.bool_):
        return float(value) if kind in ("boolean", "number") else None
    if kind == "boolean":
        return _TRUTH.get(value.strip().lower()) if isinstance(value, str) else _zero_one(value)
    if kind == "date":
        return _days(value)
    return number_in(value)


def number_in(value: Any) -> float | None:
    """Give the number that a value is or spells, None where it is none.

    >>> number_in(" 1.5e3 "), number_in("1_000")
    (1500.0, None)
    """
    if isinstance(value, str) and "_" in value:  # a number to Python, and to nobody else
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _zero_one(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value in (0, 1) else None


def _days(value: Any) -> float | None:
    if isinstance(value, str):
        value = _date_of(value.strip())
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    if not isinstance(value, datetime.date | np.datetime64):
        return None
    return float(np.asarray(value, dtype="datetime64[us]").astype(np.int64)) / 86_400e6


def _date_of(text: str) -> np.datetime64 | None:
    if dotted := _DOTTED.fullmatch(text):
        day, month, year = dotted.groups()
        text = f"{year}-{int(month):02}-{int(day):02}"
    if not _ISO.fullmatch(text):
        return None
    try:
        return np.datetime64(text.removesuffix("Z"), "us")
    except ValueError:  # the 31st of February
        return None
