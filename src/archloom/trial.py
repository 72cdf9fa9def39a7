"""Trial: the record of one evaluated architecture. Proposal: what a strategy asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from archloom.architecture import Architecture


class State(StrEnum):
    """Where a trial stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # ended early by a stopper; its metrics count
    FAILED = "failed"  # raised, or gave no usable number; `error` says why
    REJECTED = "rejected"  # broke a constraint and was never trained

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the trial."""
        return self is not State.RUNNING

    @property
    def scored(self) -> bool:
        """Whether the trial's metrics may be compared with others."""
        return self in (State.DONE, State.STOPPED)


@dataclass(frozen=True)
class Proposal:
    """An architecture to try, the fidelity to try it at, and the trial it came from.

    `epochs` is None where the estimator's own setting applies.
    `parent` is the number of the trial that was mutated, None for a fresh start.
    `budget` is the share of the estimator's full effort to spend, above 0 and at most 1; None is
    all of it. With a parent of the same architecture the trial goes on from where that one ended:
    it is promoted.
    """

    architecture: Architecture
    epochs: int | None = None
    parent: int | None = None
    budget: float | None = None


@dataclass(frozen=True)
class Trial:
    """One record: what was tried, at which fidelity, how it went. Never changes.

    `metrics` is empty until the trial is scored (a rejected one holds the cost that broke the
    limit). `curve` holds (step, metrics) as reported, in order. `seconds` is wall time, summed
    over restarts.
    """

    number: int
    stage: str
    architecture: Architecture
    seed: int
    state: State = State.RUNNING
    epochs: int | None = None
    parent: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[tuple[int, Mapping[str, float]], ...] = ()
    seconds: float = 0.0
    error: str | None = None
    started: float = 0.0
    budget: float | None = None

    @property
    def effort(self) -> float:
        """The share of the estimator's full effort that the score rests on, 1 unless told."""
        return 1.0 if self.budget is None else self.budget

    @property
    def beside(self) -> bool:
        """Whether the trial only served to check a supernet (a stage `NAME-monitor`)."""
        return self.stage.endswith("-monitor")
