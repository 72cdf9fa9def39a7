"""Doors for images and volumes of one shape."""

from __future__ import annotations

from typing import Any

from archloom.automl._build import Prepared
from archloom.automl._door import Door
from archloom.automl._encode import ENCODED, ArrayEncoder
from archloom.automl._kinds import Classifies, Regresses
from archloom.task import from_arrays


class ImageDoor(Door):
    """The part of a door that takes images; volumes have an axis more."""

    _kind = "image"

    def _prepare(self, X: Any, y: Any, validation_data: Any, groups: Any) -> Prepared:
        answers = self._read_targets(y)
        volumes = len(getattr(X, "shape", ())) == 5 or "D" in self.layout
        encoder = ArrayEncoder.of(X, "volume" if volumes else self._kind, self.layout)
        task = from_arrays(
            encoder.transform(X),
            answers.encode(y),
            target=answers.kind,
            kind=encoder.kind,
            layout=ENCODED[encoder.kind],
            encoder=encoder,
            **self._settings(answers, y, validation_data, groups, encoder.transform),
        )
        return Prepared(task, answers)


class ImageClassifier(Classifies, ImageDoor):
    """Classify images."""


class ImageRegressor(Regresses, ImageDoor):
    """Predict numbers from images."""
