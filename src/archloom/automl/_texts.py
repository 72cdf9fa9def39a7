"""Doors for texts: strings, or token numbers."""

from __future__ import annotations

from typing import Any

from archloom.automl._build import Prepared
from archloom.automl._door import Door
from archloom.automl._kinds import Classifies, Regresses
from archloom.sources import from_text


class TextDoor(Door):
    """The part of a door that takes texts."""

    _kind = "text"

    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Prepared:
        answers = self._read_targets(y)
        task = from_text(
            X,
            answers.encode(y),
            predict=answers.kind,
            **self._settings(answers, y, validation_data, groups, lambda texts: texts),
        )
        return Prepared(task, answers)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        return tags


class TextClassifier(Classifies, TextDoor):
    """Classify texts: strings, or rows of token numbers.

    >>> texts = ["a fine day", "a bad day"] * 20
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = TextClassifier(**settings).fit(texts, ["good", "bad"] * 20)
    >>> door.predict(["fine", "unheard of"]).shape
    (2,)
    """


class TextRegressor(Regresses, TextDoor):
    """Predict one or several numbers from texts.

    >>> texts = ["a fine day", "a bad day"] * 20
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> TextRegressor(**settings).fit(texts, [1.5, 0.2] * 20).predict(["fine"]).shape
    (1,)
    """
