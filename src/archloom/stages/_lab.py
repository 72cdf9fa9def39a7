"""Lab: all that a stage may touch, and the only place where trials are recorded."""

from __future__ import annotations

import errno
import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archloom.errors import (
    ArchloomError,
    ConfigError,
    RunError,
    Stopped,
    TooManyFailures,
    did_you_mean,
)
from archloom.estimators import Candidate, Estimator, checked_metrics
from archloom.journal import Event, Finished, Journal, Noted, Reported, Started
from archloom.nn import ModelSpace
from archloom.objective import Constraint, Objective
from archloom.study import Study
from archloom.task import Split, Task
from archloom.trial import Proposal, State, Trial


@dataclass(frozen=True)
class Limits:
    """When to give up: minutes of trial time in all, and failures in a row.

    `minutes` counts the recorded seconds of all trials, so a resumed run keeps its budget.
    """

    minutes: float | None = None
    failures: int = 5


@dataclass
class Lab:
    """What a stage works with. `watch` sees every event after it is safe on disk."""

    space: ModelSpace
    task: Task
    journal: Journal
    study: Study
    folder: Path
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    limits: Limits = field(default_factory=Limits)
    watch: Callable[[Event, Study], None] = lambda event, study: None
    stages: tuple[Any, ...] = ()
    failed_in_a_row: int = 0

    def __post_init__(self) -> None:
        self._candidates_task = self.task.without_test()

    # -- the record --------------------------------------------------------------------------

    def append(self, *events: Event) -> None:
        """Record events durably, then fold them and show them."""
        self.journal.append(*events)
        for event in events:
            self.study.apply(event)
            self.watch(event, self.study)

    def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """Record something that is no trial. `data` must be JSON-able."""
        self.append(Noted(kind, data, time=time.time()))

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        """Give the run's recorded value of `key`; measure and record it the first time.

        What is measured on the machine (the faster memory layout, say) thus stays the same when
        the run is resumed, and anybody can see what was chosen.
        """
        for noted in self.study.notes("measured"):
            if noted.data["key"] == key:
                return noted.data["value"]
        value = measure()
        self.note("measured", {"key": key, "value": value})
        return value

    def end(self, stage: str, reason: str) -> None:
        """Note why a stage ended, unless the record's last word on that stage is the same."""
        said = [n.data for n in self.study.notes("stage-end") if n.data["stage"] == stage]
        if not said or said[-1]["reason"] != reason:
            self.note("stage-end", {"stage": stage, "reason": reason})

    # -- trials ------------------------------------------------------------------------------

    def start(self, stage: str, proposal: Proposal) -> Trial:
        """Record the start of a new trial and give it, still running."""
        number = len(self.study)
        self.append(self._started(number, stage, proposal))
        return self.study[number]

    def reject(self, stage: str, proposal: Proposal, cost: Mapping[str, float]) -> Trial:
        """Record an architecture that broke a constraint, with the cost that broke it."""
        number = len(self.study)
        broken = [str(c) for c in self.constraints if not c.holds(cost)]
        self.append(
            self._started(number, stage, proposal),
            Finished(
                number,
                State.REJECTED,
                dict(cost),
                error=f"breaks {', '.join(broken)}",
                time=time.time(),
            ),
        )
        return self.study[number]

    def _started(self, number: int, stage: str, proposal: Proposal) -> Started:
        seed = int(np.random.default_rng([self.seed, number]).integers(2**31))
        return Started(
            number,
            stage,
            proposal.architecture,
            seed,
            proposal.epochs,
            proposal.parent,
            time=time.time(),
        )

    def evaluate(self, trial: Trial, estimator: Estimator) -> Trial:
        """Run the estimator on a started trial and record how it ended.

        An interrupt (Ctrl-C) leaves the trial running in the record, to be taken up at resume.

        Raises:
            TooManyFailures: when the set number of trials failed in a row.
            ConfigError: when the estimator does not give the metrics of the objectives.
            RunError: when the disk is full.
        """
        began = time.monotonic() - trial.seconds

        def elapsed() -> float:
            return time.monotonic() - began

        def report(step: int, metrics: Mapping[str, float]) -> None:
            if all(step != known for known, _ in self.study[trial.number].curve):
                clean = checked_metrics(metrics)
                self.append(Reported(trial.number, step, clean, elapsed(), time=time.time()))

        state, metrics, error = self._run(self._candidate(trial, report), trial, estimator)
        self.append(Finished(trial.number, state, metrics, elapsed(), error, time=time.time()))
        ended = self.study[trial.number]
        self._judge(ended)
        return ended

    def files(self, trial: Trial) -> Path:
        """The folder of a trial's files; whoever writes into it makes it."""
        return self.folder / "trials" / f"{trial.number:05d}"

    def _candidate(
        self, trial: Trial, report: Callable[[int, Mapping[str, float]], None]
    ) -> Candidate:
        return Candidate(
            architecture=trial.architecture,
            space=self.space,
            task=self._candidates_task,
            seed=trial.seed,
            epochs=trial.epochs,
            files=self.files(trial),
            device=self.device,
            report=report,
            remember=self.remember,
        )

    def _run(
        self, candidate: Candidate, trial: Trial, estimator: Estimator
    ) -> tuple[State, Mapping[str, float], str | None]:
        try:
            metrics = checked_metrics(estimator(candidate))
        except Stopped:
            curve = self.study[trial.number].curve
            return State.STOPPED, curve[-1][1] if curve else {}, None
        except (RunError, ConfigError):
            raise
        except Exception as error:  # the one place where a trial's failure becomes a record
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise RunError(
                    f"The disk of {str(self.folder)!r} is full. Everything recorded is safe: "
                    f"make room, then run `archloom resume {self.folder}`."
                ) from error
            return State.FAILED, {}, _as_text(error)
        return self._graded(metrics)

    def _graded(
        self, metrics: Mapping[str, float]
    ) -> tuple[State, Mapping[str, float], str | None]:
        for objective in self.objectives:
            value = metrics.get(objective.metric)
            if value is not None and not math.isfinite(value):
                text = (
                    f"The objective {objective.metric!r} must be a finite number, got {value}: "
                    f"the model's outputs or its training are not finite."
                )
                return State.FAILED, {}, text
        return State.DONE, metrics, None

    def _judge(self, trial: Trial) -> None:
        if trial.state is State.FAILED:
            self.failed_in_a_row += 1
            if self.failed_in_a_row >= self.limits.failures:
                raise TooManyFailures(
                    f"{self.failed_in_a_row} trials failed in a row, the limit set "
                    f"(max_failures). The last, trial {trial.number} with "
                    f"{trial.architecture!r}, said:\n{trial.error}\n"
                    f"Mend the cause, then resume the run: {self.folder}"
                )
            return
        self.failed_in_a_row = 0
        for objective in self.objectives:
            if objective.metric not in trial.metrics:
                raise ConfigError(
                    f"The objective {objective.metric!r} is no metric that the estimator gave: "
                    f"{did_you_mean(objective.metric, trial.metrics)}."
                )

    # -- limits and data ---------------------------------------------------------------------

    def seconds_left(self) -> float:
        """Seconds of trial time that the limit leaves; infinite without one."""
        if self.limits.minutes is None:
            return math.inf
        return self.limits.minutes * 60 - self.study.seconds

    def open_test(self, trial: Trial) -> Split:
        """Give the test split for one finalist; the access is on record before it happens.

        Raises:
            RunError: when this finalist was evaluated before.
        """
        if any(noted.data["trial"] == trial.number for noted in self.study.notes("test")):
            raise RunError(
                f"The test split is opened once for each finalist, and trial {trial.number} has "
                f"its result: read it with `archloom show {self.folder}`."
            )
        data = {"trial": trial.number, "architecture": trial.architecture.to_json()}
        return self.task.open_test(lambda: self.note("test-access", data))


def _as_text(error: Exception) -> str:
    if isinstance(error, ArchloomError):
        return f"{type(error).__name__}: {error}"
    lines = traceback.format_exception(error)
    return "".join(lines[-12:]).strip()
