"""Labels of any kind to class indices, the same indices in every split."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import DataError, did_you_mean


def encode_labels(
    labels: Mapping[str, Any],
    *,
    classes: int | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Turn the labels of each split into class indices (int64) and give the class names.

    Whole numbers, truth values, text and other hashable labels are taken. Without `classes` or
    `class_names`, the classes are the distinct labels, sorted. With them, whole numbers are
    indices already, and text is looked up in the names.

    Raises:
        DataError: for missing, negative, fractional or unknown labels.

    >>> encode_labels({"train": ["cat", "ant", "cat"]})
    ({'train': tensor([1, 0, 1])}, ('ant', 'cat'))
    """
    columns = {name: _column(raw, name) for name, raw in labels.items()}
    kinds = {name: column.dtype.kind for name, column in columns.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{name}: {column.dtype}" for name, column in columns.items())
        raise DataError(f"Labels of all splits must be of one kind, got {found}.")
    if class_names is not None:
        classes = len(class_names)
    if classes is not None and "i" in kinds.values():
        indices = {name: _in_range(column, classes, name) for name, column in columns.items()}
        return indices, tuple(class_names or map(str, range(classes)))
    if class_names is not None:
        return _look_up(columns, {name: i for i, name in enumerate(class_names)})
    known = _distinct(columns)
    if classes is not None and len(known) != classes:
        raise DataError(f"classes={classes} was given, the labels hold {len(known)} classes.")
    return _look_up(columns, {value: i for i, value in enumerate(known)})


def _column(raw: Any, name: str) -> np.ndarray:
    """Give a flat array: int64, text, or objects that are hashable."""
    column = as_column(raw)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise DataError(
            f"Labels are one value a sample, got shape {column.shape} in {name}. "
            f"Turn one-hot rows into indices with argmax(1); give target='labels' for several yes "
            f"or no labels a sample, target='numbers' for several numbers."
        )
    match column.dtype.kind:
        case "i" | "u":
            return _not_negative(column.astype(np.int64), name)
        case "f":
            return _not_negative(_whole(column, name), name)
        case "O":
            return _objects(column, name)
        case "U" | "S" | "b" | "M":
            return column.astype(str)
    raise DataError(f"Labels of dtype {column.dtype} in {name} cannot name classes.")


def as_column(raw: Any) -> np.ndarray:
    """Give an array of targets; a list of values of several types becomes one of objects."""
    if isinstance(raw, Tensor):
        return raw.detach().cpu().numpy()
    if isinstance(raw, list | tuple) and len({type(value) for value in raw}) > 1:
        mixed = np.empty(len(raw), dtype=object)
        mixed[:] = raw
        return mixed
    return np.asarray(raw)


def _whole(column: np.ndarray, name: str) -> np.ndarray:
    bad = np.flatnonzero(~np.isfinite(column) | (column != np.round(column)))
    if len(bad):
        raise DataError(
            f"Labels given as floats must be whole numbers, got {column[bad[0]]!s} in {name} at "
            f"index {bad[0]} ({len(bad)} such). Give target='numbers' to predict numbers."
        )
    return column.astype(np.int64)


def _not_negative(column: np.ndarray, name: str) -> np.ndarray:
    bad = np.flatnonzero(column < 0)
    if len(bad):
        raise DataError(
            f"Labels must not be negative, got {column[bad[0]]} in {name} at index {bad[0]} "
            f"({len(bad)} such). Leave unlabelled samples out; if {column[bad[0]]} is a class, "
            f"give the labels as text: y.astype(str)."
        )
    return column


def _objects(column: np.ndarray, name: str) -> np.ndarray:
    for index, value in enumerate(column):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise DataError(
                f"A label is missing ({value}) in {name} at index {index}: leave that sample out."
            )
        if not isinstance(value, Hashable):
            raise DataError(
                f"A label must be hashable, got {value!r} of type {type(value).__name__} in "
                f"{name} at index {index}: give text or a tuple."
            )
    if all(isinstance(value, int | np.integer) for value in column):
        return _not_negative(column.astype(np.int64), name)
    if all(isinstance(value, str) for value in column):
        return column.astype(str)
    return column


def _in_range(column: np.ndarray, classes: int, name: str) -> Tensor:
    bad = np.flatnonzero(column >= classes)
    if len(bad):
        raise DataError(
            f"Labels of {classes} classes lie between 0 and {classes - 1}, got {column[bad[0]]} "
            f"in {name} at index {bad[0]} ({len(bad)} such). Check the labels or the number of "
            f"classes."
        )
    return torch.from_numpy(column.copy())


def _distinct(columns: Mapping[str, np.ndarray]) -> list[Any]:
    everything = np.concatenate(list(columns.values()))
    if everything.dtype.kind != "O":
        return list(np.unique(everything))
    seen = list(dict.fromkeys(everything))
    try:
        return sorted(seen)
    except TypeError:  # 1 and "a" have no order: their type and text do, in every process
        return sorted(seen, key=lambda value: (type(value).__name__, repr(value)))


def _look_up(
    columns: Mapping[str, np.ndarray], index: Mapping[Any, int]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    encoded = {}
    for name, column in columns.items():
        values, places = (
            (column, slice(None))
            if column.dtype.kind == "O"
            else np.unique(column, return_inverse=True)
        )
        for value in values:
            if value not in index:
                raise DataError(
                    f"There is no class {value!s} (a label in {name}): "
                    f"{did_you_mean(str(value), map(str, index))}."
                )
        indices = np.array([index[value] for value in values], dtype=np.int64)
        encoded[name] = torch.from_numpy(indices[places])
    return encoded, tuple(str(value) for value in index)
