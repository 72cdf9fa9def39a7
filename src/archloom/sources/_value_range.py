"""The range of the values that a model was fitted to, and whether new data are of that scale."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from torch import Tensor

_AT_LEAST, _LOOKED_AT, _VALUES = 100, 2_000, 20_000_000  # samples, evenly spaced; their values
_APART: Final = 20
"""So many times smaller than at fit, and no subset of that data looks like it: 255 or 100 do."""

_FEW_ROWS: Final = 5
_MANY: Final = 10
_FEWEST: Final = 0.02
"""Of so many new samples, not all are of the flattest 2 %; a single one may be the flattest."""


@dataclass(frozen=True)
class ValueRange:
    """What the samples of a training set hold: values from `low` to `high`.

    `flattest` is the least difference between the largest and the smallest value of a sample,
    `flat` that of all but the flattest 2 %; `whole` says that all values are whole numbers.

    >>> greys = ValueRange.of(np.array([[0, 90], [40, 255]]))
    >>> print(greys.compared(np.array([[0.1, 0.9]])))
    X holds values from 0.1 to 0.9, and the model was fitted to values from 0 to 255
    >>> greys.compared(np.array([[3, 90]]))
    ''
    """

    low: float
    high: float
    flattest: float
    flat: float
    whole: bool

    @classmethod
    def of(cls, values: Any) -> ValueRange:
        """Measure an array or tensor, samples first; NaN stands for values that are not there."""
        rows = _rows(values)
        low, high = _ends(rows)
        flattest, flat = np.quantile(high - low, [0.0, _FEWEST], method="lower").tolist()
        return cls(float(low.min()), float(high.max()), flattest, flat, _are_whole(rows))

    def compared(self, values: Any, what: str = "X") -> str:
        """Say which values `what` holds in place of which, '' where the scale may be the same.

        It is another one where at least half of the samples reach further beyond the range than
        half of it is wide; where each is 20 times flatter than the samples of training data
        are; and where fractions within a 20th of the range stand for whole numbers. None of it
        is so for any samples of the training data, save a choice of the very flattest.
        """
        rows = _rows(values)
        low, high = _ends(rows)
        if not len(rows) or not self._differs(rows, low, high):
            return ""
        return (
            f"{what} holds values from {low.min():.4g} to {high.max():.4g}, and the model was "
            f"fitted to values from {self.low:.4g} to {self.high:.4g}"
        )

    def _differs(self, rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
        wide = self.high - self.low
        beyond = (low < self.low - wide / 2) | (high > self.high + wide / 2)
        if wide > 0 and beyond.mean() >= 0.5:
            return True
        widest = float((high - low).max())
        if widest == 0:
            return False
        flat = self.flattest if len(rows) < _MANY else self.flat
        narrow = self.whole and float(high.max() - low.min()) * _APART <= wide
        return widest * _APART < flat or (narrow and not _are_whole(rows))

    def warn(self, values: Any, what: str = "X") -> None:
        """Warn when the values are of another scale."""
        warn_of_scale(self.compared(values, what))

    def to_json(self) -> dict[str, Any]:
        """Give the numbers, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> ValueRange | None:
        """Give the range that `to_json` described, None for what was written without one."""
        return None if data is None else cls(**data)


def warn_of_scale(found: str) -> None:
    """Warn of what `ValueRange.compared` found, if it is anything."""
    if found:
        warnings.warn(
            f"{found}: is it another scale? Predictions are good on the scale of the training data "
            f"alone.",
            stacklevel=5,
        )


def beyond(values: np.ndarray, low: float, high: float, name: str) -> str:
    """Say of a table's column that at least half of its values lie a whole range out of range.

    Fewer than five values say nothing: a row alone may be an outlier.

    >>> print(beyond(np.array([1.71, 1.83, 1.65, 1.77, 1.92]), 150.0, 200.0, "size"))
    Column 'size' holds values from 1.65 to 1.92, and the model was fitted to values from 150 to 200
    """
    known = values[np.isfinite(values)]
    out = (known < 2 * low - high) | (known > 2 * high - low)
    if len(known) < _FEW_ROWS or not high > low or out.mean() < 0.5:
        return ""
    return (
        f"Column {name!r} holds values from {known.min():.4g} to {known.max():.4g}, and the model "
        f"was fitted to values from {low:.4g} to {high:.4g}"
    )


def _rows(values: Any) -> np.ndarray:
    """Give some samples as rows of an array, few where they are large."""
    size = math.prod(values.shape[1:])
    most = max(_AT_LEAST, min(_LOOKED_AT, _VALUES // max(1, size)))
    some = values[:: max(1, -(-len(values) // most))]
    if isinstance(some, Tensor):
        some = some.float().numpy() if some.is_floating_point() else some.numpy()
    return np.asarray(some).reshape(len(some), size)


def _ends(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the least and the greatest value of each row, 0 of a row that holds none."""
    if rows.dtype.kind != "f":
        return rows.min(1).astype(np.float64), rows.max(1).astype(np.float64)
    low, high = np.fmin.reduce(rows, axis=1), np.fmax.reduce(rows, axis=1)
    return np.nan_to_num(low.astype(np.float64)), np.nan_to_num(high.astype(np.float64))


def _are_whole(rows: np.ndarray) -> bool:
    if rows.dtype.kind != "f":
        return True
    return bool((np.isnan(rows) | (rows == np.round(rows))).all())
