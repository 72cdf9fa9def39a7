"""Tables to tensors: missing values, scales and categories, all learned from training rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, final

import numpy as np
import torch

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._columns import (
    ColumnKind,
    Columns,
    column_kind,
    columns_of,
    missing,
    numbers_of,
    text_of,
)
from archloom.sources._value_range import beyond, warn_of_scale
from archloom.task import Inputs

_ID_NAME = re.compile(r"(^|[_\s.-])(id|uuid|guid|key|index|rowid)$|^unnamed: 0$|ID$", re.IGNORECASE)
_SCALES = ("standard", "quantile")
_QUANTILES = 257


@dataclass(frozen=True)
class NumberColumn:
    """How a column of numbers, dates or truth values becomes one column, or two with a flag."""

    name: str
    kind: ColumnKind
    fill: float
    flag: bool
    places: tuple[float, ...]
    scores: tuple[float, ...]

    def encode(self, values: np.ndarray) -> list[np.ndarray]:
        """Give the scaled numbers and, where asked for, 1 where they were missing."""
        numbers = numbers_of(values, self.kind, self.name)
        absent = np.isnan(numbers)
        scaled = np.interp(np.where(absent, self.fill, numbers), self.places, self.scores)
        return [scaled, absent.astype(np.float64)] if self.flag else [scaled]


@dataclass(frozen=True)
class CategoryColumn:
    """How a column of categories becomes codes: 0 is missing or unknown, then the levels.

    With `other` there is one code more, for everything that was too rare to get its own.
    """

    name: str
    levels: tuple[str, ...]
    other: bool

    @property
    def cardinality(self) -> int:
        """How many codes there are."""
        return 1 + len(self.levels) + self.other

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Give the int64 codes."""
        index = {level: code for code, level in enumerate(self.levels, 1)}
        unknown = self.cardinality - 1 if self.other else 0
        absent = missing(values)
        codes = [
            0 if gone else index.get(text_of(value), unknown)
            for value, gone in zip(values, absent, strict=True)
        ]
        return np.array(codes, dtype=np.int64)


_FORMS: Mapping[str, type[NumberColumn | CategoryColumn]] = {
    "numbers": NumberColumn,
    "categories": CategoryColumn,
}


@final
class TableEncoder:
    """Turns the rows of a table into tensors, by what it saw in the training rows.

    Columns of numbers, dates (days) and truth values become float32: missing values get the
    median and a column that flags them; outliers are clipped one range of the central 98 %
    beyond it, and the rest is standardised. With `numbers="quantile"` the ranks are mapped to
    a normal distribution instead. Columns of text become int64 codes, 0 for missing and
    unknown; beyond `max_categories` the rarest share one code. `categories` names columns of
    numbers that are codes. Constant columns and row identifiers are dropped.

    `transform` gives a tensor (n, features), or with categories a dict of `numbers` and
    `categories`; with `one_hot` categories become columns of 0 and 1, and it is always a tensor.
    `notices` says what was filled and dropped, `hints` what a model wants to know. `ignore` names
    columns that may be there and are not looked at.

    >>> encoder = TableEncoder().fit({"age": [20, None, 40, 60], "eyes": ["b", "g", "b", "b"]})
    >>> encoder.transform({"age": [None], "eyes": ["red"]})["categories"]
    tensor([[0]])
    >>> encoder.hints
    {'cardinalities': [3], 'columns': ['age', 'age is missing']}
    >>> encoder.notices
    ("1 missing value of column 'age' takes the median 40; a further column flags it.",)
    """

    def __init__(
        self,
        *,
        numbers: str = "standard",
        categories: Sequence[str] = (),
        max_categories: int = 64,
        one_hot: bool = False,
        ignore: Sequence[str] = (),
    ) -> None:
        if numbers not in _SCALES:
            raise ConfigError(
                f"There is no scale {numbers!r} for numbers: {did_you_mean(numbers, _SCALES)}."
            )
        if max_categories < 2:
            raise ConfigError(f"max_categories must be at least 2, got {max_categories}.")
        self.numbers = numbers
        self.categories = tuple(categories)
        self.max_categories = max_categories
        self.one_hot = one_hot
        self.ignore = tuple(ignore)
        self.notices: tuple[str, ...] = ()
        self._named = False
        self._names: tuple[str, ...] = ()
        self._columns: tuple[NumberColumn | CategoryColumn, ...] = ()

    def check(self, X: Any) -> None:
        """Raise `DataError` for infinite values; the rows are those of `X`."""
        for name, values in columns_of(X).without(self.ignore).values.items():
            if name not in self.categories and column_kind(values) == "number":
                numbers_of(values, "number", name)

    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Learn kinds, medians, scales and categories from training rows; `y` is not used.

        Raises:
            DataError: for infinite values, other ranks, and when no column is of use.
        """
        columns = columns_of(X).without(self.ignore)
        if not columns.values or not len(columns):
            raise DataError("A table needs rows and columns to learn from, got none.")
        unknown = sorted(set(self.categories) - set(columns.values))
        if unknown:
            raise DataError(
                f"There is no column {unknown[0]!r} for categories=: "
                f"{did_you_mean(unknown[0], columns.values)}."
            )
        notices: list[str] = []
        found = [self._learn(n, v, columns, notices) for n, v in columns.values.items()]
        self._columns = tuple(column for column in found if column is not None)
        if not self._columns:
            raise DataError(
                f"No column tells rows apart, all {len(found)} were dropped: {' '.join(notices)}"
            )
        self._named, self._names = columns.named, tuple(columns.values)
        self.notices = tuple(notices)
        return self

    def _learn(
        self, name: str, values: np.ndarray, columns: Columns, notices: list[str]
    ) -> NumberColumn | CategoryColumn | None:
        kind: ColumnKind = "category" if name in self.categories else column_kind(values)
        if kind == "category":
            return _learn_categories(name, values, self.max_categories, notices)
        numbers = numbers_of(values, kind, name)
        present = numbers[~np.isnan(numbers)]
        flag = 0 < len(present) < len(numbers)
        if not len(present) or (np.ptp(present) == 0 and not flag):
            what = f"only {present[0]:g}" if len(present) else "no value"
            notices.append(f"Column {name!r} is left out: it holds {what}.")
            return None
        if kind == "number" and columns.named and _looks_like_id(name, present, len(numbers)):
            notices.append(f"Column {name!r} is left out: it numbers the rows.")
            return None
        fill = float(np.median(present))
        if kind == "boolean":
            fill = float(fill > 0.5)
        if flag:
            _note_missing(name, len(numbers) - len(present), fill, notices)
        places, scores = _scale(present, self.numbers if kind != "boolean" else "standard")
        return NumberColumn(name, kind, fill, flag, places, scores)

    def transform(self, X: Any) -> Inputs:
        """Give the rows as tensors, in the order and form that were fitted.

        Raises:
            DataError: when columns are missing, new or of another kind than those fitted.
        """
        if not self._columns:
            raise DataError("The encoder has seen no table: call fit before transform.")
        values = self._arranged(columns_of(X))
        self._compare(values)
        numbers = [
            part
            for column in self._columns
            if isinstance(column, NumberColumn)
            for part in column.encode(values[column.name])
        ]
        codes = [(c, c.encode(values[c.name])) for c in self._coded]
        if self.one_hot:
            numbers += [code == level for c, code in codes for level in range(c.cardinality)]
            codes = []
        inputs: dict[str, torch.Tensor] = {}
        if numbers:
            inputs["numbers"] = torch.from_numpy(np.stack(numbers, 1).astype(np.float32))
        if not codes:
            return inputs["numbers"]
        inputs["categories"] = torch.from_numpy(np.stack([code for _, code in codes], 1))
        return inputs

    def _compare(self, values: Mapping[str, np.ndarray]) -> None:
        """Warn of a column that is of another scale than in training."""
        for column in self._columns:
            if isinstance(column, NumberColumn) and column.kind == "number":
                low, high = column.places[0], column.places[-1]
                if self.numbers == "standard":  # a range beyond what was seen on either side
                    low, high = (2 * low + high) / 3, (low + 2 * high) / 3
                if column.scores[0] < column.scores[-1]:
                    found = numbers_of(values[column.name], "number", column.name)
                    warn_of_scale(beyond(found, low, high, column.name))

    def _arranged(self, columns: Columns) -> Mapping[str, np.ndarray]:
        columns = columns.without(self.ignore)
        if not (columns.named and self._named):
            if len(columns.values) != len(self._names):
                raise DataError(
                    f"The table that was fitted has {len(self._names)} columns "
                    f"({_listed(self._names)}), this one has {len(columns.values)}."
                )
            return dict(zip(self._names, columns.values.values(), strict=True))
        used = {column.name for column in self._columns}
        gone = [name for name in self._names if name in used - set(columns.values)]
        new = [name for name in columns.values if name not in self._names]
        if gone or new:
            lacks = f"it lacks {_listed(gone)}" if gone else ""
            brings = f"it has {_listed(new)} besides" if new else ""
            raise DataError(
                f"A table must have the columns that were fitted: "
                f"{' and '.join(filter(None, (lacks, brings)))}. Fitted: {_listed(self._names)}."
            )
        return columns.values

    @property
    def named(self) -> bool:
        """Whether the columns that were fitted had names of their own."""
        return self._named

    @property
    def _coded(self) -> list[CategoryColumn]:
        return [column for column in self._columns if isinstance(column, CategoryColumn)]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of `numbers`, in order."""
        names: list[str] = []
        for column in self._columns:
            if isinstance(column, NumberColumn):
                names += [column.name, f"{column.name} is missing"][: 1 + column.flag]
        if self.one_hot:
            for coded in self._coded:
                other = ["other"] if coded.other else []
                names += [f"{coded.name}={v}" for v in ("missing", *coded.levels, *other)]
        return tuple(names)

    @property
    def hints(self) -> dict[str, Any]:
        """`cardinalities` (codes of each categorical column) and the names of the numbers."""
        counts = [] if self.one_hot else [column.cardinality for column in self._coded]
        return {"cardinalities": counts, "columns": list(self.columns)}

    def to_json(self) -> dict[str, Any]:
        """Give settings and everything learned, as JSON can hold it."""
        kinds = {form: name for name, form in _FORMS.items()}
        return {
            "encoder": "table",
            "numbers": self.numbers,
            "categories": list(self.categories),
            "max_categories": self.max_categories,
            "one_hot": self.one_hot,
            "ignore": list(self.ignore),
            "named": self._named,
            "names": list(self._names),
            "notices": list(self.notices),
            "columns": [{"as": kinds[type(c)], **asdict(c)} for c in self._columns],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TableEncoder:
        """Give the encoder that `to_json` described.

        >>> encoder = TableEncoder().fit([[1.0], [2.0], [4.0]])
        >>> twin = TableEncoder.from_json(encoder.to_json())
        >>> bool((twin.transform([[3.0]]) == encoder.transform([[3.0]])).all())
        True
        """
        settings = ("numbers", "categories", "max_categories", "one_hot", "ignore")
        encoder = cls(**{name: data[name] for name in settings})
        encoder._named, encoder._names = data["named"], tuple(data["names"])
        encoder.notices = tuple(data["notices"])
        encoder._columns = tuple(_column_from(dict(column)) for column in data["columns"])
        return encoder


def _column_from(data: dict[str, Any]) -> NumberColumn | CategoryColumn:
    form: Any = _FORMS[data.pop("as")]
    column: NumberColumn | CategoryColumn = form(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    )
    return column


def _learn_categories(
    name: str, values: np.ndarray, most: int, notices: list[str]
) -> CategoryColumn | None:
    absent = missing(values)
    counts = Counter(text_of(value) for value in values[~absent])
    total = sum(counts.values())
    if len(counts) < 2 and not (counts and absent.any()):
        what = f"only {next(iter(counts))!r}" if counts else "no value"
        notices.append(f"Column {name!r} is left out: it holds {what}.")
        return None
    if total >= 20 and len(counts) > 0.95 * total:
        notices.append(
            f"Column {name!r} is left out: {len(counts)} of its {total} texts occur once, as names "
            f"and free text do. Free text has a source of its own: from_text."
        )
        return None
    if absent.any():
        notices.append(
            f"{int(absent.sum())} missing values of column {name!r} get a category of their own."
        )
    levels = sorted(counts, key=lambda level: (-counts[level], level))
    if len(levels) <= most:
        return CategoryColumn(name, tuple(levels), other=False)
    notices.append(
        f"Column {name!r} has {len(levels)} categories: all but the {most - 1} most frequent ones "
        f"share one code."
    )
    return CategoryColumn(name, tuple(levels[: most - 1]), other=True)


def _looks_like_id(name: str, present: np.ndarray, rows: int) -> bool:
    whole = bool((present == np.round(present)).all())
    if not whole or len(present) < rows or rows < 20 or len(np.unique(present)) < rows:
        return False
    steps = np.diff(present)
    counted = bool((steps > 0).all()) and np.ptp(present) < 2 * rows
    return counted or bool(_ID_NAME.search(name))


def _note_missing(name: str, count: int, fill: float, notices: list[str]) -> None:
    values, takes, it = (
        ("missing value", "takes", "it") if count == 1 else ("missing values", "take", "them")
    )
    notices.append(
        f"{count} {values} of column {name!r} {takes} the median {fill:g}; a further column "
        f"flags {it}."
    )


def _scale(present: np.ndarray, how: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the corners of the piecewise linear function from values to scaled values."""
    if how == "quantile":
        return _normal_scores(present)
    low, high = np.quantile(present, (0.01, 0.99)).tolist()
    if not high > low:  # nearly all values are one value: the few others are what tells
        low, high = float(present.min()), float(present.max())
    low, high = low - (high - low), high + (high - low)
    clipped = np.clip(present, low, high)
    mean, std = float(clipped.mean()), float(clipped.std())
    if not high > low:  # a constant whose absence tells
        return (low, low + 1.0), (0.0, 0.0)
    return (low, high), ((low - mean) / std, (high - mean) / std)


def _normal_scores(present: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    count = min(_QUANTILES, max(2, len(present)))
    levels = np.linspace(0.0, 1.0, count)
    values = np.quantile(present, levels)
    edge = 1.0 / (2 * count)
    normal = NormalDist()
    scores = np.array([normal.inv_cdf(min(max(level, edge), 1 - edge)) for level in levels])
    places, group = np.unique(values, return_inverse=True)
    means = np.bincount(group, weights=scores) / np.bincount(group)
    return tuple(places.tolist()), tuple(means.tolist())


def _listed(names: Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed[:12]) + (f" and {len(listed) - 12} more" if len(listed) > 12 else "")
