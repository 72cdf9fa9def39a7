"""The contract of a stopper, and what stoppers read out of a study."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.study import Study
from archloom.trial import State, Trial

Gains = tuple[tuple[int, float], ...]
"""(step, gain) of each report of a trial, larger gains being better."""


@runtime_checkable
class Stopper(Protocol):
    """Anything that is called with the study and a running trial and says whether to stop it.

    It is called after each report, of which `trial.curve` ends with the newest. A stopped trial is
    scored by its last report. What it says must follow from the study and its settings alone, so
    that a resumed run goes the same way.

    >>> def too_slow(study, trial):
    ...     return trial.seconds > 60
    >>> isinstance(too_slow, Stopper)
    True
    """

    def __call__(self, study: Study, trial: Trial, /) -> bool:
        """Say whether to stop the trial."""
        ...


def objective_of(study: Study) -> Objective:
    """Give the objective that stoppers judge by: the first one of the run."""
    return study.objectives[0]


def gains(study: Study, trial: Trial) -> Gains:
    """Give what the trial reported of the first objective, in order of the steps.

    Raises:
        ConfigError: when a report does not have it, since nothing can then be compared.
    """
    objective = objective_of(study)
    found = []
    for step, metrics in sorted(trial.curve, key=lambda point: point[0]):
        if objective.metric not in metrics:
            raise ConfigError(
                f"A stopper compares what trials report of the first objective, and trial "
                f"{trial.number} reports no {objective.metric!r}: "
                f"{did_you_mean(objective.metric, metrics)}. Put another objective first, or "
                f"leave the stopper out."
            )
        found.append((step, objective.gain(metrics[objective.metric])))
    return tuple(found)


def peers(study: Study, trial: Trial, *states: State) -> list[Trial]:
    """Give the other trials that compare with one: of its stage, epochs and budget."""
    return [
        other
        for other in study.trials(trial.stage, *states)
        if other.number != trial.number
        and (other.epochs, other.budget) == (trial.epochs, trial.budget)
        and other.curve
    ]


def last_step(trial: Trial) -> int:
    """Give the furthest step that a trial reported, 0 before the first."""
    return max((step for step, _ in trial.curve), default=0)


def is_at_end(trial: Trial, finished: list[Trial]) -> bool:
    """Whether a trial has come as far as the finished ones, so that stopping it saves nothing."""
    return bool(finished) and last_step(trial) >= max(map(last_step, finished))


def check_steps(stopper: str, setting: str, value: int, low: int = 1) -> None:
    """Raise `ConfigError` unless a setting is a whole number from `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(
            f"{setting} of {stopper} must be a whole number from {low}, got {value!r}."
        )


def check_share(stopper: str, setting: str, value: float) -> None:
    """Raise `ConfigError` unless a setting lies between 0 and 1."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 < value < 1:
        raise ConfigError(f"{setting} of {stopper} must lie between 0 and 1, got {value!r}.")
