"""Plain rows from a study: what the tables of the page and of the command line show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.study import Study
from archloom.trial import State, Trial


@dataclass(frozen=True)
class Row:
    """A line of the leaderboard.

    `scores` holds the values of the run's objectives, `metrics` everything else that was measured,
    `test` the metrics on test data, which only finalists have.
    """

    rank: int
    number: int
    stage: str
    state: State
    scores: Mapping[str, float]
    metrics: Mapping[str, float]
    seconds: float
    architecture: Architecture
    test: Mapping[str, float] = field(default_factory=dict)


def leaderboard(study: Study, stage: str | None = None, k: int | None = None) -> list[Row]:
    """Give the scored trials, of one stage if given, best first; ties: the older first.

    Every trial has its own row, also when two have the same architecture; those that only checked
    a supernet are left out unless their stage is given. Trials of a higher budget come before those
    of a lower one; a trial without a number for the first objective comes last.

    >>> from archloom.journal import Finished, Started
    >>> study = Study.of([
    ...     Started(0, "search", Architecture({"width": 16}), seed=1),
    ...     Finished(0, State.DONE, {"accuracy": 0.9, "params": 64}),
    ... ])
    >>> row = leaderboard(study)[0]
    >>> row.rank, row.number, row.scores, row.metrics
    (1, 0, {'accuracy': 0.9}, {'params': 64})
    """
    objectives = study.objectives
    tested = tests(study)
    shown = [trial for trial in study.trials(stage) if stage is not None or not trial.beside]
    scored = [trial for trial in shown if trial.state.scored]
    first = objectives[0]
    scored.sort(key=lambda t: (gain(t, first) == -math.inf, -t.effort, -gain(t, first), t.number))
    return [
        _row(rank, trial, objectives, tested.get(trial.number, {}))
        for rank, trial in enumerate(scored[:k], start=1)
    ]


def failures(study: Study) -> list[Trial]:
    """Give the failed trials in order of their start; `error` says what went wrong.

    >>> failures(Study())
    []
    """
    return study.trials(None, State.FAILED)


def tests(study: Study) -> dict[int, Mapping[str, float]]:
    """Give the metrics on test data by the number of the finalist."""
    return {
        noted.data["trial"]: noted.data.get("metrics", {})
        for noted in study.notes("test")
        if "trial" in noted.data
    }


def winner(study: Study) -> Trial | None:
    """Give the trial whose model the run saved as its best, else the best by the objective.

    Test results have no say in it.
    """
    note = study.note("best")
    if note is not None and note.get("trial") in {trial.number for trial in study.trials()}:
        return study[note["trial"]]
    objective = study.objectives[0]
    scored = [t for t in study.trials() if t.state.scored and gain(t, objective) > -math.inf]
    return min(scored, key=lambda t: (-t.effort, -gain(t, objective), t.number), default=None)


def gain(trial: Trial, objective: Objective) -> float:
    """Give the trial's value so that larger is better; minus infinity without a number."""
    return objective.gain(trial.metrics.get(objective.metric, math.nan))


def _row(
    rank: int, trial: Trial, objectives: Sequence[Objective], test: Mapping[str, float]
) -> Row:
    names = [objective.metric for objective in objectives]
    return Row(
        rank=rank,
        number=trial.number,
        stage=trial.stage,
        state=trial.state,
        scores={name: trial.metrics.get(name, math.nan) for name in names},
        metrics={name: value for name, value in trial.metrics.items() if name not in names},
        seconds=trial.seconds,
        architecture=trial.architecture,
        test=test,
    )
