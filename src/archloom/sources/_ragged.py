"""Series in any form of arrays: equal lengths as one array, others as a list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._observations import Observations

_LAYOUTS = ("auto", "NL", "NCL", "NLC")


@dataclass(frozen=True, eq=False)
class Ragged:
    """Series of different lengths, each (L, channels)."""

    series: list[np.ndarray]
    channels: int

    def __len__(self) -> int:
        return len(self.series)

    @property
    def lengths(self) -> np.ndarray:
        """How many points each series has."""
        return np.array([len(one) for one in self.series], dtype=np.int64)

    def check_finite(self) -> None:
        """Raise `DataError` for values that are not finite."""
        for index, one in enumerate(self.series):
            _check_finite(one, index)

    def take(self, index: np.ndarray) -> Ragged:
        """Give the series at `index`."""
        return Ragged([self.series[number] for number in index.tolist()], self.channels)


def series_of(
    X: Any, layout: str = "auto", names: Sequence[str] | None = None
) -> np.ndarray | Ragged | Observations:
    """Give an array (n, C, L), series of different lengths, or observations at irregular times.

    Raises:
        DataError: for ranks and lengths that do not fit.
        ConfigError: for a layout that is not known.
    """
    if layout not in _LAYOUTS:
        raise ConfigError(
            f"There is no layout {layout!r} of series: {did_you_mean(layout, _LAYOUTS)}."
        )
    if isinstance(X, Observations | Ragged):
        return X
    if hasattr(X, "detach") or hasattr(X, "to_numpy"):
        X = array_of(X)
    rows = list(X) if isinstance(X, list | tuple) or _is_object(X) else None
    if rows and all(isinstance(row, tuple | Mapping) for row in rows):
        return Observations.of(rows, names)
    if rows is not None:
        arrays = [_points(row, index) for index, row in enumerate(rows)]
        if len({array.shape for array in arrays}) != 1:
            return _ragged(arrays)
        X = np.stack(arrays)
    return _arranged(np.asarray(X), layout)


def array_of(X: Any) -> np.ndarray:
    """Give series of one length as an array, the axes as they are."""
    if hasattr(X, "detach"):
        return np.asarray(X.detach().cpu().numpy())
    return np.asarray(X.to_numpy() if hasattr(X, "to_numpy") else X)


def padded(raw: Ragged, length: int) -> tuple[np.ndarray, None, np.ndarray]:
    """Cut or fill series up to one length: values (n, C, length), no errors, mask (n, 1, length).

    >>> padded(Ragged([np.ones((1, 1)), np.ones((3, 1))], 1), 2)[2].tolist()
    [[[1.0, 0.0]], [[1.0, 1.0]]]
    """
    values = np.zeros((len(raw), raw.channels, length))
    mask = np.zeros((len(raw), 1, length))
    for index, one in enumerate(raw.series):
        kept = one[:length]
        _check_finite(kept, index)
        values[index, :, : len(kept)] = kept.T
        mask[index, 0, : len(kept)] = 1.0
    return values, None, mask


def resampled(raw: Ragged | np.ndarray, length: int) -> np.ndarray:
    """Draw each series onto `length` points, its first to the first and its last to the last.

    >>> resampled(Ragged([np.array([[0.0], [2.0]])], 1), 3).tolist()
    [[[0.0, 1.0, 2.0]]]
    """
    many = list(raw.transpose(0, 2, 1)) if isinstance(raw, np.ndarray) else raw.series
    places = np.linspace(0.0, 1.0, length)
    values = np.empty((len(many), many[0].shape[1], length))
    for index, one in enumerate(many):
        _check_finite(one, index)
        own = np.linspace(0.0, 1.0, len(one)) if len(one) > 1 else np.zeros(1)
        for channel in range(one.shape[1]):
            values[index, channel] = np.interp(places, own, one[:, channel])
    return values


def _is_object(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.dtype == object


def _points(row: Any, index: int) -> np.ndarray:
    try:
        array = np.asarray(row.detach().cpu() if hasattr(row, "detach") else row, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"A series holds numbers, sample {index} does not ({error}).") from error
    if array.ndim not in (1, 2):
        raise DataError(
            f"A series has the shape (length,) or (length, channels), sample {index} has "
            f"{array.shape}."
        )
    return array


def _ragged(arrays: list[np.ndarray]) -> Ragged:
    wide = [array[:, None] if array.ndim == 1 else array for array in arrays]
    widths = sorted({array.shape[1] for array in wide if len(array)})
    if len(widths) > 1:
        raise DataError(
            f"Series of different lengths are of shape (length, channels), the same channels for "
            f"all: got {widths}."
        )
    width = widths[0] if widths else 1
    return Ragged([a if len(a) else np.empty((0, width)) for a in wide], width)


def _arranged(array: np.ndarray, layout: str) -> np.ndarray:
    if array.dtype.kind not in "buif":
        raise DataError(f"A series holds numbers, got dtype {array.dtype}.")
    if array.ndim == 2:
        array, layout = array[:, None, :], "NCL"
    if array.ndim != 3:
        raise DataError(
            f"Series have the shape (n, length), (n, channels, length) or (n, length, channels), "
            f"got {array.shape}."
        )
    if layout == "auto":
        if array.shape[1] == array.shape[2]:
            raise DataError(
                f"Which axis holds the channels cannot be told from shape {array.shape}: give "
                f"layout='NCL' or 'NLC'."
            )
        layout = "NCL" if array.shape[1] < array.shape[2] else "NLC"
    values = array.astype(np.float64)
    bad = np.argwhere(np.isinf(values))
    if len(bad):
        raise DataError(
            f"Series hold finite numbers, got {len(bad)} infinite ones, the first in sample "
            f"{bad[0][0]}. A gap is NaN."
        )
    return values if layout == "NCL" else values.transpose(0, 2, 1)


def _check_finite(one: np.ndarray, index: int) -> None:
    bad = int((~np.isfinite(one)).sum())
    if bad:
        raise DataError(
            f"Series of different lengths hold finite numbers, sample {index} has {bad} that are "
            f"not: leave those points out, or give times: (times, values)."
        )
