"""Inline: one job after the other, in the process of the run."""

from __future__ import annotations

import time
from collections.abc import Mapping

from archloom.errors import RunError
from archloom.estimators import Candidate, Estimator, checked_metrics
from archloom.executors._executor import Bench, Desk, Job, Outcome
from archloom.executors._judge import judged


class Inline:
    """Evaluates a job in this process, while `wait` is called."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._next: tuple[Job, Estimator] | None = None

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def check(self, estimator: Estimator) -> None:
        """Take any estimator."""

    def start(self, job: Job, estimator: Estimator) -> None:
        """Lay the job ready for `wait`."""
        self._next = (job, estimator)

    def wait(self, desk: Desk) -> Outcome:
        """Evaluate the job.

        Raises:
            RunError: when none was started.
        """
        if self._next is None:
            raise RunError("There is no job to wait for: start one first.")
        (job, estimator), self._next = self._next, None
        began = time.monotonic() - job.seconds

        def report(step: int, metrics: Mapping[str, float]) -> None:
            clean = checked_metrics(metrics)
            desk.report(job.number, step, clean, time.monotonic() - began)

        candidate = Candidate(
            architecture=job.architecture,
            space=self._bench.space,
            task=self._bench.task,
            seed=job.seed,
            epochs=job.epochs,
            budget=job.budget,
            parent=job.parent,
            files=job.files,
            device=self._bench.device,
            report=report,
            remember=desk.remember,
        )
        state, metrics, error = judged(lambda: estimator(candidate), self._bench.folder)
        return Outcome(job.number, state, metrics, time.monotonic() - began, error)

    def close(self) -> None:
        """Forget a job that was started and not waited for."""
        self._next = None
