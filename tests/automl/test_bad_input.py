"""What cannot be learnt from, or predicted for: the rule, the value and the mend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.automl.conftest import QUICK

from archloom.automl import (
    AutoModel,
    ImageClassifier,
    SeriesClassifier,
    TableClassifier,
    TableRegressor,
    TextClassifier,
)
from archloom.errors import ArchloomError, ConfigError, DataError, Infeasible

X = np.random.default_rng(0).normal(size=(40, 6, 8))
Y = np.arange(40) % 2
ROWS = X[:, 0]


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed[3, 2] = value
    return changed


@pytest.mark.parametrize(
    ("door", "inputs", "targets", "message"),
    [
        (ImageClassifier, ROWS, Y, "Images have 3 axes"),
        (ImageClassifier, X.astype(str), Y, "must be numbers"),
        (ImageClassifier, X.astype(object), Y, "must be numbers"),
        (ImageClassifier, with_value(X, np.nan), Y, "NaN or infinite"),
        (ImageClassifier, [*list(X[:39]), X[0, :3]], Y, "one shape"),
        (ImageClassifier, X[:30], Y, "40 labels"),
        (ImageClassifier, np.zeros((40, 8, 8, 8)), Y, "layout="),
        (ImageClassifier, X, None, "requires y"),
        (ImageClassifier, X, np.zeros(40), "at least two classes"),
        (ImageClassifier, X, X.mean((1, 2)), "take the regressor"),
        (ImageClassifier, X, np.where(Y, np.nan, 1.0), "NaN"),
        (ImageClassifier, X, [None, "a"] * 20, "must be known"),
        (ImageClassifier, X, [1, "a"] * 20, "one kind"),
        (ImageClassifier, X[:1], Y[:1], "at least two classes"),
        (TableRegressor, ROWS[:1], Y[:1], "1 sample"),
        (TableClassifier, ROWS[:, 0], Y, "Reshape your data"),
        (TableClassifier, with_value(ROWS, np.inf), Y, "must be finite"),
        (TableRegressor, ROWS, np.full(40, 3.0), "never change"),
        (TableRegressor, ROWS, ["a", "b"] * 20, "take the classifier"),
        (TableRegressor, ROWS, np.where(Y, np.inf, 1.0), "infinity"),
        (TextClassifier, ["a", None] * 20, Y, "needs a text"),
        (TextClassifier, "one text", Y, "With a path for X"),
        (SeriesClassifier, [np.array([])] * 40, Y, "point|observation|empty"),
        (AutoModel, {"a": X, "b": ROWS[:9]}, Y, "same samples"),
        (AutoModel, {"my input": X}, Y, "named like variables"),
        (AutoModel, {}, Y, "at least one input"),
        (AutoModel, X, {}, "target"),
    ],
)
def test_data_that_cannot_be_learnt_from(
    door: Any, inputs: Any, targets: Any, message: str
) -> None:
    with pytest.raises((ArchloomError, ValueError), match=message):
        door(**QUICK).fit(inputs, targets)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": "ten"}, "minutes"),
        ({"trials": 0}, "trials"),
        ({"space": "mpl"}, "did you mean 'mlp'"),
        ({"strategy": "evolutoin"}, "did you mean 'evolution'"),
        ({"objective": "acuracy"}, "did you mean 'accuracy'"),
        ({"constraints": ["params <= 3"]}, "No architecture"),
        ({"train": {"epohcs": 3}}, "did you mean 'epochs'"),
        ({"augment": "lots"}, "lots"),
        ({"device": "cdua"}, "cdua"),
        ({"folds": 1}, "folds"),
        ({"threshold": 1.5}, "threshold"),
        ({"class_weights": {"a": 1.0}}, "class_weights"),
        ({"workers": 0}, "workers"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, Infeasible), match=message):
        TableClassifier(**{**QUICK, **settings}).fit(ROWS, Y)


def test_data_of_another_form_than_at_fit() -> None:
    images = ImageClassifier(**QUICK).fit(X, Y)
    with pytest.raises(DataError, match="fitted to samples of shape \\(1, 6, 8\\)"):
        images.predict(X[:, :5])
    table = TableClassifier(**QUICK).fit(ROWS, Y)
    with pytest.raises(ValueError, match="7 features"):
        table.predict(np.zeros((2, 7)))
    with pytest.raises(DataError, match="no class 5"):
        TableClassifier(**QUICK).fit(ROWS, Y, validation_data=(ROWS[:4], [0, 1, 5, 0]))
    with pytest.raises(ConfigError, match="pair"):
        TableClassifier(**QUICK).fit(ROWS, Y, validation_data=ROWS)


def test_a_class_with_one_sample_stays_in_training() -> None:
    y = Y.copy()
    y[7] = 2
    door = TableClassifier(**QUICK).fit(ROWS, y)
    assert door.classes_.tolist() == [0, 1, 2]
    assert 2 in door.experiment_.task.train.targets
