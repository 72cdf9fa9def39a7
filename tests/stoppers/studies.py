"""Studies whose trials reported given values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archloom import Architecture
from archloom.journal import Event, Finished, Noted, Reported, Started
from archloom.study import Study
from archloom.trial import State


def reports(
    number: int,
    values: Sequence[float] | Mapping[int, float],
    state: State = State.RUNNING,
    *,
    metric: str = "accuracy",
    stage: str = "search",
    budget: float | None = None,
    epochs: int | None = None,
) -> Iterator[Event]:
    """Give the events of a trial; a trial that ended is scored by its best value."""
    yield Started(
        number, stage, Architecture({"width": number}), seed=0, budget=budget, epochs=epochs
    )
    steps = values if isinstance(values, Mapping) else dict(enumerate(values, start=1))
    for step, value in steps.items():
        yield Reported(number, step, {metric: value}, seconds=float(step))
    if state is not State.RUNNING:
        score = min(steps.values()) if metric == "loss" else max(steps.values())
        yield Finished(number, state, {metric: score} if state.scored else {})


def study_of(*trials: Iterator[Event], objective: str | None = None) -> Study:
    """Fold the events of trials; the objective is the accuracy unless another is named."""
    study = Study()
    if objective is not None:
        study.apply(Noted("experiment", {"objectives": [objective]}))
    for events in trials:
        for event in events:
            study.apply(event)
    return study
