"""Work: how many full evaluations the trials of a search amount to."""

from __future__ import annotations

import math

from archloom.estimators import Estimator, continues
from archloom.study import Study
from archloom.trial import State

_ROUNDING = 1e-9


def work_of(study: Study, stage: str, estimator: Estimator) -> float:
    """Give the summed budgets of a stage's trials, of promoted ones what they add.

    A trial without a budget is 1, a rejected one 0. Where the estimator does not go on from a
    promoted trial's parent but begins anew, the whole budget counts.
    """
    shared = continues(estimator)
    efforts = []
    for trial in study.trials(stage):
        if trial.state is State.REJECTED:
            continue
        before = study.promoted_from(trial) if shared else None
        efforts.append(trial.effort - (before.effort if before else 0.0))
    total = math.fsum(efforts)
    nearest = round(total)
    return float(nearest) if abs(total - nearest) < _ROUNDING else total
