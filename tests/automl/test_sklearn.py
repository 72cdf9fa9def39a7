"""The rules of scikit-learn: its own checks, clones, pipelines, searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.automl.conftest import QUICK

from archloom import automl
from archloom.automl import (
    ImageClassifier,
    ImageRegressor,
    SeriesClassifier,
    SeriesRegressor,
    TableClassifier,
    TableRegressor,
    TextClassifier,
    TextRegressor,
)

LONGER = {**QUICK, "epochs": 25}

DOORS = [name for name in automl.__all__ if name.endswith(("Classifier", "Regressor", "AutoModel"))]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        TableClassifier(**LONGER),
        TableRegressor(**LONGER),
        SeriesClassifier(**LONGER),
        SeriesRegressor(**LONGER),
    ]
)
def test_doors_for_two_axes_pass_all_checks(estimator: Any, check: Any) -> None:
    check(estimator)


# scikit-learn's checks make arrays of two axes; these doors are given the same samples in the form
# that they take, one pixel high.

_PICTURES = {
    "check_n_features_in": "images have a shape, no number of features",
    "check_n_features_in_after_fitting": "images have a shape, no number of features",
    "check_estimators_empty_data_messages": "an image without pixels is refused in other words",
    "check_dtype_object": "arrays of objects are refused for images, also when they hold numbers",
}
"""Checks that make no sense for images, with the reason."""


class _OnePixelHigh:
    """Makes the door take rows as images of one line."""

    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Any:
        return super()._prepare(_lines(X), y, validation_data, groups)  # type: ignore[misc]

    def _encoded(self, X: Any) -> Any:
        return super()._encoded(_lines(X))  # type: ignore[misc]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array = True
        return tags


def _lines(X: Any) -> Any:
    rows = X if issparse(X) else np.asarray(X)
    return rows[:, None] if rows.ndim == 2 and not issparse(X) else rows


class LineClassifier(_OnePixelHigh, ImageClassifier):
    pass


class LineRegressor(_OnePixelHigh, ImageRegressor):
    pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [LineClassifier(**LONGER), LineRegressor(**LONGER)],
    expected_failed_checks=lambda door: _PICTURES,
)
def test_doors_for_images_pass_the_checks_that_make_sense(estimator: Any, check: Any) -> None:
    check(estimator)


def make(name: str, **settings: Any) -> Any:
    return getattr(automl, name)(**settings)


@pytest.mark.parametrize("name", DOORS)
def test_settings_are_stored_as_they_are_and_cloned(name: str) -> None:
    door = make(name, minutes=3, constraints=("params <= 5",), train={"lr": 0.1})
    twin = clone(door)
    assert twin.get_params() == door.get_params()
    assert twin.set_params(trials=4, minutes=None).trials == 4
    assert vars(door)["train"] == {"lr": 0.1}


@pytest.mark.parametrize("name", DOORS)
def test_nothing_can_be_asked_of_a_door_before_fit(name: str) -> None:
    door = make(name)
    for ask in (lambda: door.predict([[1.0]]), door.leaderboard, door.to_yaml, door.report):
        with pytest.raises(NotFittedError):
            ask()


def test_what_the_doors_are() -> None:
    assert all(is_classifier(make(name)) for name in DOORS if name.endswith("Classifier"))
    assert all(is_regressor(make(name)) for name in DOORS if name.endswith("Regressor"))


def test_in_a_pipeline_with_cross_validation_and_a_grid(rng: np.random.Generator) -> None:
    X = rng.normal(size=(60, 3)) * 100
    y = np.where(X[:, 0] > 0, "high", "low")
    line = make_pipeline(StandardScaler(), TableClassifier(**LONGER))
    assert cross_val_score(line, X, y, cv=2).mean() > 0.7
    grid = GridSearchCV(TableClassifier(**LONGER), {"train": [{"lr": 1e-7}, {"lr": 0.01}]}, cv=2)
    assert grid.fit(X, y).best_params_ == {"train": {"lr": 0.01}}


def test_images_in_a_pipeline(squares: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = squares
    line = make_pipeline(FunctionTransformer(), ImageClassifier(**{**QUICK, "epochs": 8}))
    assert line.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("door", [TextClassifier, TextRegressor])
def test_texts_cross_validate(door: Any) -> None:
    texts = ["a fine day", "what a bad film", "fine fine film", "bad day"] * 10
    y = [1, 0, 1, 0] * 10
    settings = {**QUICK, "space": "text_net", "epochs": 15}
    assert cross_val_score(door(**settings), texts, y, cv=2).mean() > 0
