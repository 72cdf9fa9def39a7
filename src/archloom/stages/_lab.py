"""Lab: all that a stage may touch, and the only place where trials are recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archloom.errors import ConfigError, RunError, Stopped, TooManyFailures, did_you_mean
from archloom.estimators import Ancestor, Estimator
from archloom.executors import Bench, Executor, Inline, Job, Outcome, Processes
from archloom.journal import Event, Finished, Journal, Noted, Reported, Started
from archloom.nn import ModelSpace
from archloom.objective import Constraint, Objective
from archloom.stoppers import Stopper
from archloom.study import Study
from archloom.task import Split, Task
from archloom.trial import Proposal, State, Trial


@dataclass(frozen=True)
class Limits:
    """When to give up: minutes of trial time in all, and failures in a row.

    `minutes` counts the recorded seconds of all trials, so a resumed run keeps its budget; with
    several workers a second of each counts as its share of one.
    """

    minutes: float | None = None
    failures: int = 5


@dataclass
class Lab:
    """What a stage works with. `watch` sees every event after it is safe on disk.

    Trials are evaluated by `workers` processes at once, with one in the process of the run.
    At `deadline`, a time of `time.monotonic`, all training should have ended: it is of this
    process alone and is not recorded.
    """

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
    workers: int = 1
    deadline: float | None = None

    def __post_init__(self) -> None:
        bench = Bench(self.space, self.task.without_test(), self.folder, self.device)
        self._inline = Inline(bench)
        alone = self.workers == 1
        self.executor: Executor = self._inline if alone else Processes(bench, self.workers)
        self._stopper: Stopper | None = None
        self._clocks: dict[int, float] = {}  # of running trials: when they would have begun

    # -- the record --------------------------------------------------------------------------

    def append(self, *events: Event) -> None:
        """Record events durably, then fold them and show them."""
        self.journal.append(*events)
        for event in events:
            self.study.apply(event)
            self.watch(event, self.study)

    def show(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show something in passing that is not worth recording, such as a step of an epoch."""
        self.watch(Noted(kind, data, time=time.time()), self.study)

    def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """Record something that is no trial. `data` must be JSON-able."""
        self.append(Noted(kind, data, time=time.time()))

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        """Give the run's recorded value of `key`; measure and record it the first time.

        What is measured on the machine (the faster memory layout, say) thus stays the same when
        the run is resumed, and anybody can see what was chosen.
        """
        known = self._measured(key)
        if known:
            return known[0]
        value = measure()
        self.note("measured", {"key": key, "value": value})
        return value

    def recall(self, key: str) -> Any:
        """Give the run's recorded value of `key`. Raises `KeyError` where there is none."""
        known = self._measured(key)
        if not known:
            raise KeyError(key)
        return known[0]

    def _measured(self, key: str) -> list[Any]:
        notes = self.study.notes("measured")
        return [noted.data["value"] for noted in notes if noted.data["key"] == key]

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
        started = Started(
            number,
            stage,
            proposal.architecture,
            int(np.random.default_rng([self.seed, number]).integers(2**31)),
            proposal.epochs,
            proposal.parent,
            time=time.time(),
            budget=proposal.budget,
        )
        before = self.study.promoted_from(started)
        return started if before is None else replace(started, seed=before.seed)

    def evaluate(self, trial: Trial, estimator: Estimator) -> Trial:
        """Run the estimator on a started trial and give it as it ended; see `evaluate_many`."""
        [ended] = self.evaluate_many(partial(next, iter([trial]), None), estimator, at_once=1)
        return ended

    def evaluate_here(self, trial: Trial, estimator: Estimator) -> Trial:
        """Run the estimator on a started trial in this process, whatever the workers.

        For what is at hand here and too much to be sent: the supernet in training.
        """
        self._inline.start(self._job(trial, 1), estimator)
        return self._ended(self._inline.wait(self))

    def evaluate_many(
        self,
        begin: Callable[[], Trial | None],
        estimator: Estimator,
        *,
        at_once: int | None = None,
        stopper: Stopper | None = None,
    ) -> Iterator[Trial]:
        """Evaluate started trials, as many at once as there are workers, and give each ended one.

        `begin` is called whenever a worker is free, and gives a started trial or None: nothing for
        now. It is asked again when a running trial has ended and the caller has dealt with it;
        when none runs any more, all is done. `at_once`, where it is less than the workers, says
        how many trials will run side by side, so that those get the cores of all. `stopper` is
        asked after each report whether to stop the trial.

        An interrupt (Ctrl-C) leaves the running trials running in the record, to be taken up at
        resume.

        Raises:
            TooManyFailures: when the set number of trials failed in a row.
            ConfigError: when the estimator does not give the metrics of the objectives.
            RunError: when the disk is full, or called while it gives the trials of another call.
        """
        if self._clocks:
            raise RunError(
                f"Trials {sorted(self._clocks)} are being evaluated by another call of "
                f"evaluate_many: take all that it gives first."
            )
        self._stopper = stopper
        slots = self.executor.slots
        at_once = max(1, min(slots, at_once or slots))
        try:
            while True:
                while len(self._clocks) < slots and (trial := begin()) is not None:
                    self._clocks[trial.number] = time.monotonic() - trial.seconds
                    self.executor.start(self._job(trial, at_once), estimator)
                if not self._clocks:
                    return
                outcome = self.executor.wait(self)
                del self._clocks[outcome.number]
                yield self._ended(outcome)
        finally:
            self._stopper = None
            if self._clocks:
                self._clocks.clear()
                self.executor.close()

    def report(self, number: int, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Record what a running trial reports; a step that is known changes nothing.

        Raises:
            Stopped: when the stopper says so.
        """
        if all(step != known for known, _ in self.study[number].curve):
            self.append(Reported(number, step, metrics, seconds, time=time.time()))
        if self._should_stop(self.study[number], step):
            raise Stopped(f"Trial {number} was stopped at step {step}.")

    def _should_stop(self, trial: Trial, step: int) -> bool:
        """Ask the stopper, after a restart about the last step only: it let the others pass."""
        if self._stopper is None or step != trial.curve[-1][0]:
            return False
        before = self.study.promoted_from(trial)
        if before is not None and any(step <= known for known, _ in before.curve):
            return False  # reported again, and good enough to be promoted
        return self._stopper(self.study, trial)

    def _job(self, trial: Trial, at_once: int) -> Job:
        return Job(
            number=trial.number,
            architecture=trial.architecture,
            seed=trial.seed,
            files=self.files(trial),
            epochs=trial.epochs,
            seconds=trial.seconds,
            at_once=at_once,
            stoppable=self._stopper is not None,
            budget=trial.budget,
            parent=self._ancestor(trial),
        )

    def _ancestor(self, trial: Trial) -> Ancestor | None:
        """Give the trial that this one came from, unless that was of another stage."""
        parent = None if trial.parent is None else self.study[trial.parent]
        if parent is None or parent.stage != trial.stage:
            return None
        return Ancestor(parent.number, parent.architecture, parent.budget, self.files(parent))

    def _ended(self, outcome: Outcome) -> Trial:
        number, state, seconds = outcome.number, outcome.state, outcome.seconds
        metrics, error = outcome.metrics, outcome.error
        if state is State.STOPPED:
            curve = self.study[number].curve
            metrics = {**metrics, **(curve[-1][1] if curve else {})}
        elif state is State.DONE:
            state, metrics, error = self._graded(metrics)
        self.append(Finished(number, state, metrics, seconds, error, time=time.time()))
        ended = self.study[number]
        self._judge(ended)
        return ended

    def files(self, trial: Trial) -> Path:
        """The folder of a trial's files; whoever writes into it makes it."""
        return self.folder / "trials" / f"{trial.number:05d}"

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
        now = time.monotonic()
        unreported = (now - began - self.study[n].seconds for n, began in self._clocks.items())
        return self.limits.minutes * 60 - self.study.spent - sum(unreported) / self.workers

    def until_deadline(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return math.inf if self.deadline is None else self.deadline - time.monotonic()

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
