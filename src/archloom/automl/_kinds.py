"""What classifying and regressing doors differ in."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from archloom.automl._answers import Answers


class Classifies(ClassifierMixin):  # type: ignore[misc]  # scikit-learn has no types
    """The part of a door that predicts classes, or several labels a sample."""

    def _read_targets(self, y: Any) -> Answers:
        return Answers.of_classes(y)

    def predict_proba(self: Any, X: Any) -> np.ndarray:
        """Give the probability of each class, or of each label, shape (samples, classes)."""
        finished: np.ndarray = self._finished(X)
        return finished

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class Regresses(RegressorMixin):  # type: ignore[misc]
    """The part of a door that predicts numbers."""

    def _read_targets(self, y: Any) -> Answers:
        return Answers.of_numbers(y)
