"""Doors for tables: rows of numbers, dates and categories, with missing values."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from archloom.automl._build import Prepared
from archloom.automl._door import Door
from archloom.automl._kinds import Classifies, Regresses
from archloom.sources import TableEncoder, check_names, columns_of, encoded_task

_CELLS = (str, bytes, Number, np.generic, datetime.date, type(None))


class TableDoor(Door):
    """The part of a door that takes tables: arrays, pandas frames, dicts of columns, rows."""

    _kind = "table"

    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Prepared:
        rows = self._checked(X, fitting=True)
        answers = self._read_targets(y)
        task = encoded_task(
            rows,
            answers.encode(y),
            TableEncoder(),
            kind=self._kind,
            target=answers.kind,
            **self._settings(answers, y, validation_data, groups, self._checked),
        )
        return Prepared(task, answers)

    def _encoded(self, X: Any) -> Any:
        return self.encoder_.transform(self._checked(X))

    def _checked(self, X: Any, *, fitting: bool = False) -> Any:
        """Give the table as the encoder takes it, after scikit-learn's own checks of arrays."""
        if isinstance(X, Mapping) or (isinstance(X, list) and X and isinstance(X[0], Mapping)):
            return columns_of(X)
        if hasattr(X, "iloc"):
            check_names(getattr(X, "columns", ()))
            validate_data(self, X, reset=fitting, skip_check_array=True)
            return X
        if hasattr(X, "detach"):
            X = X.detach().cpu().numpy()
        array = validate_data(
            self,
            _as_rows(X),
            reset=fitting,
            dtype=None,
            ensure_all_finite=False,
            ensure_min_samples=2 if fitting else 1,
        )
        if array.dtype == object:
            _check_cells(array)
        return array

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def _as_rows(X: Any) -> Any:
    """Keep what the values of a list are: NumPy would turn numbers beside text into text."""
    if not isinstance(X, list | tuple):
        return X
    mixed = any(isinstance(v, str) for row in X if isinstance(row, list | tuple) for v in row)
    return np.array(X, dtype=object) if mixed else X


def _check_cells(array: np.ndarray) -> None:
    for value in array.flat:
        if not isinstance(value, _CELLS):
            raise TypeError(
                f"A table's cells hold numbers, text, dates or nothing: the argument must be a "
                f"string, a date or a number, got {value!r} of type {type(value).__name__}."
            )


class TableClassifier(Classifies, TableDoor):
    """Classify rows of a table: arrays, pandas frames, dicts of columns, or lists of dicts.

    Text becomes categories, dates become numbers, gaps are filled and flagged; `notices_` says so.

    >>> X = {"size": [1.0, None, 3.0, 2.5] * 10, "colour": ["red", "blue"] * 20}
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = TableClassifier(**settings).fit(X, ["a", "b"] * 20)
    >>> door.predict({"size": [2.0], "colour": ["green"]}).shape
    (1,)
    """


class TableRegressor(Regresses, TableDoor):
    """Predict one or several numbers from rows of a table.

    >>> X = [[float(i), float(i % 7)] for i in range(40)]
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> TableRegressor(space="mlp", **settings).fit(X, range(40)).predict(X[:2]).shape
    (2,)
    """
