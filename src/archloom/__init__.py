"""archloom: neural architecture search on PyTorch.

Names load on first touch, so that `import archloom` costs nothing that is not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archloom.architecture import Architecture
    from archloom.estimators import Candidate, Cost, Repeat, Train, combine
    from archloom.experiment import Experiment
    from archloom.export import export_model
    from archloom.nn import ModelSpace, Pick, load_space, model_space
    from archloom.objective import Constraint, Objective
    from archloom.report import write_report
    from archloom.space import Space, integers, log_uniform, uniform
    from archloom.stages import BlackBox, Retrain, Test
    from archloom.strategies import Evolution, Grid, LocalSearch, Random
    from archloom.study import Study
    from archloom.task import Task
    from archloom.trial import Proposal, State, Trial

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "BlackBox",
    "Candidate",
    "Constraint",
    "Cost",
    "Evolution",
    "Experiment",
    "Grid",
    "LocalSearch",
    "ModelSpace",
    "Objective",
    "Pick",
    "Proposal",
    "Random",
    "Repeat",
    "Retrain",
    "Space",
    "State",
    "Study",
    "Task",
    "Test",
    "Train",
    "Trial",
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
    "BlackBox": "stages",
    "Candidate": "estimators",
    "Constraint": "objective",
    "Cost": "estimators",
    "Evolution": "strategies",
    "Experiment": "experiment",
    "Grid": "strategies",
    "LocalSearch": "strategies",
    "ModelSpace": "nn",
    "Objective": "objective",
    "Pick": "nn",
    "Proposal": "trial",
    "Random": "strategies",
    "Repeat": "estimators",
    "Retrain": "stages",
    "Space": "space",
    "State": "trial",
    "Study": "study",
    "Task": "task",
    "Test": "stages",
    "Train": "estimators",
    "Trial": "trial",
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
