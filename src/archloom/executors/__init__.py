"""Executors: where trials are evaluated, in the process of the run or in several others."""

from archloom.executors._executor import Bench, Desk, Executor, Job, Outcome
from archloom.executors._inline import Inline
from archloom.executors._judge import judged
from archloom.executors._processes import Processes, device_of

__all__ = [
    "Bench",
    "Desk",
    "Executor",
    "Inline",
    "Job",
    "Outcome",
    "Processes",
    "device_of",
    "judged",
]
