"""archloom: neural architecture search on PyTorch.

Names load on first touch, so that `import archloom` costs nothing that is not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archloom.architecture import Architecture
    from archloom.automl import (
        AutoModel,
        ImageClassifier,
        ImageRegressor,
        SeriesClassifier,
        SeriesRegressor,
        TableClassifier,
        TableRegressor,
        TextClassifier,
        TextRegressor,
    )
    from archloom.estimators import (
        Candidate,
        Cost,
        CrossValidate,
        Inherited,
        LookUp,
        Repeat,
        Train,
        ZeroCost,
        combine,
    )
    from archloom.experiment import Experiment
    from archloom.export import export_model
    from archloom.nn import ModelSpace, Pick, load_space, model_space
    from archloom.objective import Constraint, Objective
    from archloom.report import write_report
    from archloom.space import Space, integers, log_uniform, uniform
    from archloom.stages import BlackBox, Ensemble, OneShot, Retrain, Screen, Test
    from archloom.strategies import Evolution, Grid, LocalSearch, Predictor, Random
    from archloom.study import Study
    from archloom.task import Task
    from archloom.trial import Proposal, State, Trial

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "AutoModel",
    "BlackBox",
    "Candidate",
    "Constraint",
    "Cost",
    "CrossValidate",
    "Ensemble",
    "Evolution",
    "Experiment",
    "Grid",
    "ImageClassifier",
    "ImageRegressor",
    "Inherited",
    "LocalSearch",
    "LookUp",
    "ModelSpace",
    "Objective",
    "OneShot",
    "Pick",
    "Predictor",
    "Proposal",
    "Random",
    "Repeat",
    "Retrain",
    "Screen",
    "SeriesClassifier",
    "SeriesRegressor",
    "Space",
    "State",
    "Study",
    "TableClassifier",
    "TableRegressor",
    "Task",
    "Test",
    "TextClassifier",
    "TextRegressor",
    "Train",
    "Trial",
    "ZeroCost",
    "combine",
    "export_model",
    "integers",
    "load_space",
    "log_uniform",
    "model_space",
    "uniform",
    "write_report",
]

_HOME = {
    "Architecture": "architecture",
    "AutoModel": "automl",
    "BlackBox": "stages",
    "Candidate": "estimators",
    "Constraint": "objective",
    "Cost": "estimators",
    "CrossValidate": "estimators",
    "Ensemble": "stages",
    "Evolution": "strategies",
    "Experiment": "experiment",
    "Grid": "strategies",
    "ImageClassifier": "automl",
    "ImageRegressor": "automl",
    "Inherited": "estimators",
    "LocalSearch": "strategies",
    "LookUp": "estimators",
    "ModelSpace": "nn",
    "Objective": "objective",
    "OneShot": "stages",
    "Pick": "nn",
    "Predictor": "strategies",
    "Proposal": "trial",
    "Random": "strategies",
    "Repeat": "estimators",
    "Retrain": "stages",
    "Screen": "stages",
    "SeriesClassifier": "automl",
    "SeriesRegressor": "automl",
    "Space": "space",
    "State": "trial",
    "Study": "study",
    "TableClassifier": "automl",
    "TableRegressor": "automl",
    "Task": "task",
    "Test": "stages",
    "TextClassifier": "automl",
    "TextRegressor": "automl",
    "Train": "estimators",
    "Trial": "trial",
    "ZeroCost": "estimators",
    "combine": "estimators",
    "export_model": "export",
    "integers": "space",
    "load_space": "nn",
    "log_uniform": "space",
    "model_space": "nn",
    "uniform": "space",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'archloom' has no attribute {name!r}")
    value = getattr(import_module(f"archloom.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
