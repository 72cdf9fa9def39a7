"""Doors for series: equal or different lengths, several channels, irregular times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from archloom.automl._build import Prepared
from archloom.automl._door import Door
from archloom.automl._kinds import Classifies, Regresses
from archloom.sources import from_series


class SeriesDoor(Door):
    """The part of a door that takes series."""

    _kind = "series"

    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Prepared:
        X = self._checked(X, fitting=True)
        answers = self._read_targets(y)
        series, static = (X["series"], X.get("static")) if isinstance(X, Mapping) else (X, None)
        task = from_series(
            series,
            answers.encode(y),
            static=static,
            layout=self.layout,
            predict=answers.kind,
            **self._settings(answers, y, validation_data, groups, self._checked),
        )
        return Prepared(task, answers)

    def _encoded(self, X: Any) -> Any:
        return self.encoder_.transform(self._checked(X))

    def _checked(self, X: Any, *, fitting: bool = False) -> Any:
        """Check arrays as scikit-learn does; leave lists of series to the encoder."""
        if hasattr(X, "detach"):
            X = X.detach().cpu().numpy()
        if isinstance(X, list | tuple | Mapping) or _holds_series(X):
            return X
        return validate_data(
            self,
            X,
            reset=fitting,
            allow_nd=True,
            dtype="numeric",
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if fitting else 1,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags


def _holds_series(X: Any) -> bool:
    """Whether it is an array of objects that are arrays themselves, of different lengths."""
    return (
        isinstance(X, np.ndarray)
        and X.dtype == object
        and X.ndim == 1
        and len(X) > 0
        and not np.isscalar(X[0])
    )


class SeriesClassifier(Classifies, SeriesDoor):
    """Classify series: arrays (n, steps) or (n, channels, steps), or lists of different lengths.

    Irregular times come as a list of `(times, values)`, facts of each sample beside the series as
    `{"series": ..., "static": table}`; see `archloom.sources.SeriesEncoder`.

    >>> import numpy as np
    >>> X = [np.arange(5.0 + i % 3) * (-1) ** i for i in range(40)]
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = SeriesClassifier(space="mlp", **settings).fit(X, ["up", "down"] * 20)
    >>> door.predict([np.arange(4.0)]).shape
    (1,)
    """


class SeriesRegressor(Regresses, SeriesDoor):
    """Predict one or several numbers from series.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(40, 2, 9))
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> SeriesRegressor(space="mlp", **settings).fit(X, X.mean((1, 2))).predict(X[:5]).shape
    (5,)
    """
