"""Contract suites for plug-ins, and small spaces to test them with."""

from __future__ import annotations

from archloom.testing._estimator import EstimatorContract
from archloom.testing._executor import ExecutorContract
from archloom.testing._gates import GatesContract, shared_spaces
from archloom.testing._journal import JournalContract
from archloom.testing._model_space import check_model_space
from archloom.testing._space import check_space, example_spaces
from archloom.testing._stage import StageContract, tiny_space, tiny_task
from archloom.testing._strategy import StrategyContract
from archloom.testing._study import facts

__all__ = [
    "EstimatorContract",
    "ExecutorContract",
    "GatesContract",
    "JournalContract",
    "StageContract",
    "StrategyContract",
    "check_model_space",
    "check_space",
    "example_spaces",
    "facts",
    "shared_spaces",
    "tiny_space",
    "tiny_task",
]
