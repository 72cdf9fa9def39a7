"""The one-call doors: hand data over, get a trained model; scikit-learn estimators."""

from __future__ import annotations

from archloom.automl._auto import AutoModel
from archloom.automl._evaluate import evaluate_file
from archloom.automl._file import ModelFile, load_model_file
from archloom.automl._images import ImageClassifier, ImageRegressor
from archloom.automl._inputs import read_inputs
from archloom.automl._plan import Wishes, plan
from archloom.automl._predictions import predictions
from archloom.automl._series import SeriesClassifier, SeriesRegressor
from archloom.automl._tables import TableClassifier, TableRegressor
from archloom.automl._texts import TextClassifier, TextRegressor

__all__ = [
    "AutoModel",
    "ImageClassifier",
    "ImageRegressor",
    "ModelFile",
    "SeriesClassifier",
    "SeriesRegressor",
    "TableClassifier",
    "TableRegressor",
    "TextClassifier",
    "TextRegressor",
    "Wishes",
    "evaluate_file",
    "load_model_file",
    "plan",
    "predictions",
    "read_inputs",
]
