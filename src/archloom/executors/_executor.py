"""The contract of an executor, and the values that go in and come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from archloom.architecture import Architecture
from archloom.estimators import Ancestor, Estimator
from archloom.nn import ModelSpace
from archloom.task import Task
from archloom.trial import State


@dataclass(frozen=True)
class Bench:
    """What all trials of a run share. `task` has no test split, `folder` is the run's."""

    space: ModelSpace
    task: Task
    folder: Path
    device: torch.device


@dataclass(frozen=True)
class Job:
    """One trial to be evaluated.

    `files` is the trial's folder and `seconds` what earlier lives of it took. `at_once` says how
    many jobs share the machine's cores. Where it is `stoppable`, each report waits for the word
    of the desk, which may be to stop.
    """

    number: int
    architecture: Architecture
    seed: int
    files: Path
    epochs: int | None = None
    seconds: float = 0.0
    at_once: int = 1
    stoppable: bool = False
    budget: float | None = None
    parent: Ancestor | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended: done, stopped or failed (with the text of the error).

    The metrics of a stopped one are those that it knew besides what it reported.
    """

    number: int
    state: State
    metrics: Mapping[str, float]
    seconds: float
    error: str | None = None


class Desk(Protocol):
    """Who answers the running jobs: it alone records, in the process of the run."""

    def report(self, number: int, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Take a job's report. Raises `Stopped` to end a stoppable job."""
        ...

    def recall(self, key: str) -> Any:
        """Give the value recorded for the key. Raises `KeyError` where there is none."""
        ...

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        """Give the value recorded for the key, measured and recorded the first time."""
        ...


class Executor(Protocol):
    """Evaluates up to `slots` jobs at once. All calls come from one thread.

    What a job raises becomes its outcome, with two exceptions: a `ConfigError` or `RunError`,
    which every other job would meet as well, is raised by `wait`.
    """

    @property
    def slots(self) -> int:
        """How many jobs may run at once."""
        ...

    def check(self, estimator: Estimator) -> None:
        """Raise `ConfigError` if jobs with this estimator could not be evaluated here."""
        ...

    def start(self, job: Job, estimator: Estimator) -> None:
        """Begin a job; at most `slots` of them may be begun and not ended."""
        ...

    def wait(self, desk: Desk) -> Outcome:
        """Serve the running jobs until one of them ends, and give its outcome."""
        ...

    def close(self) -> None:
        """Drop what runs, without an outcome, and free all that is held.

        A job started later finds the executor as new.
        """
        ...
