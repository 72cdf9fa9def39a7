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
        inputs = encoder.transform(X)
        encoder = encoder.measured(inputs)
        task = from_arrays(
            inputs,
            answers.encode(y),
            target=answers.kind,
            kind=encoder.kind,
            layout=ENCODED[encoder.kind],
            encoder=encoder,
            # Flips are allowed, and whether they help is one of the choices that are searched.
            augment_ops=("shift", "flip") if encoder.kind == "image" else ("shift",),
            **self._settings(answers, y, validation_data, groups, encoder.transform),
        )
        return Prepared(task, answers)


class ImageClassifier(Classifies, ImageDoor):
    """Classify images (n, height, width), with channels in front or last, or volumes.

    `y` holds one class a sample, of any type, or several columns of 0 and 1. The settings are those
    of `Door`; see docs/doors.md.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(0, 255, (40, 6, 8), dtype=np.uint8)
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = ImageClassifier(space="mlp", **settings).fit(X, ["cat", "dog"] * 20)
    >>> door.predict_proba(X[:3]).shape, door.classes_.tolist()
    ((3, 2), ['cat', 'dog'])
    """


class ImageRegressor(Regresses, ImageDoor):
    """Predict one or several numbers from images or volumes, in the unit they were given in.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).random((40, 6, 8, 3))
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> ImageRegressor(space="mlp", **settings).fit(X, X.mean((1, 2))).predict(X[:5]).shape
    (5, 3)
    """
