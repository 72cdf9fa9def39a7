"""The monitor's part that records: short trainings as trials, and what each check found."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError
from archloom.estimators import Cost, Estimator, Train, combine
from archloom.nn import ModelSpace
from archloom.oneshot import (
    Monitor,
    Seen,
    Verdict,
    View,
    assess,
    collapse,
    likelihood,
    supernet_score,
)
from archloom.stages._constraints import cost_of
from archloom.stages._lab import Lab
from archloom.trial import Proposal, Trial

NOTE = "monitor"
"""The kind of note that a check leaves."""

COLLAPSE = "collapse"
"""The kind of note about an architecture that is taken on although it looks collapsed."""


def monitor_stage(stage: str) -> str:
    """Give the name under which the short trainings beside a stage are recorded.

    >>> monitor_stage("supernet")
    'supernet-monitor'
    """
    return f"{stage}-{NOTE}"


def check_monitor(monitor: Monitor, lab: Lab, train: Train) -> None:
    """Raise `ConfigError` where the monitor could not do its work."""
    if not monitor.architectures:
        return
    lab.executor.check(_short_training(lab, train))
    metric = lab.objectives[0].metric
    if metric not in lab.task.metric_names:
        raise ConfigError(
            f"The monitor compares scores of trained networks, and the objective {metric!r} is no "
            f"metric of the task: put one of {', '.join(lab.task.metric_names)} first, or set "
            f"the monitor's architectures=0."
        )


def monitored(
    monitor: Monitor, lab: Lab, view: View, stage: str, train: Train
) -> tuple[Verdict, ...]:
    """Check a supernet after an epoch of a stage, record it, and give the verdicts.

    Short trainings go by `train`, with the monitor's epochs, and are trials of `monitor_stage`;
    what is on record is not done again. With no time left none is begun.
    """
    if verdicts_after(lab, stage, view.epoch) is None:
        lab.note(NOTE, _checked(monitor, lab, view, stage, train))
    return verdicts_after(lab, stage, view.epoch) or ()


def verdicts_after(lab: Lab, stage: str, epoch: int) -> tuple[Verdict, ...] | None:
    """Give the verdicts of the check after an epoch, None where it is not on record."""
    for noted in lab.study.notes(NOTE):
        if noted.data["stage"] == stage and noted.data["epoch"] == epoch:
            return tuple(Verdict.from_json(data) for data in noted.data["verdicts"])
    return None


def warn_of_collapse(lab: Lab, stage: str, found: Sequence[Trial]) -> None:
    """Note which of the architectures that a supernet's scores led to look collapsed, each once.

    Whatever found them: a search over inherited scores can end with skip connections, too.
    """
    told = {noted.data["trial"] for noted in lab.study.notes(COLLAPSE)}
    for trial in found:
        why = collapse(trial.architecture, lab.space.space, seed=lab.seed)
        if why is not None and trial.number not in told:
            reason = f"The architecture of trial {trial.number} has collapsed: {why}."
            lab.note(COLLAPSE, {"stage": stage, "trial": trial.number, "reason": reason})


def _checked(monitor: Monitor, lab: Lab, view: View, stage: str, train: Train) -> dict[str, Any]:
    epochs = monitor.short(view.epochs)
    space = view.supernet.space
    panel: Sequence[Architecture] = ()
    trained: Mapping[str, Trial] = {}
    if monitor.architectures:
        panel = monitor.panel(space.space, view.seed, lambda one: _admitted(lab, space, one))
        wanted = [*panel, *([] if view.derived is None else [view.derived])]
        whole = [_whole(lab, space, one) for one in wanted]
        trained = _trained(lab, monitor_stage(stage), whole, epochs, _short_training(lab, train))
    seen = [_seen(lab, view, one, trained) for one in panel]
    derived = None if view.derived is None else _seen(lab, view, view.derived, trained)
    found = assess(monitor, view, supernet_score(view), derived, seen, epochs)
    metric = view.objective.metric
    return {"stage": stage, "metric": metric, "short": epochs, **found.to_json()}


def _trained(
    lab: Lab, stage: str, wanted: Sequence[Architecture], epochs: int, estimator: Estimator
) -> dict[str, Trial]:
    """Train what is not trained yet; give the trials by the key of their architecture."""
    known = {trial.architecture.key: trial for trial in lab.study.trials(stage)}
    waiting = iter(wanted)

    def begin() -> Trial | None:
        for architecture in waiting:
            trial = known.get(architecture.key)
            if trial is not None and not trial.state.ended:
                return trial
            if trial is None and lab.seconds_left() > 0 and lab.until_deadline() > 0:
                return lab.start(stage, Proposal(architecture, epochs))
        return None

    for ended in lab.evaluate_many(begin, estimator):
        known[ended.architecture.key] = ended
        shutil.rmtree(lab.files(ended), ignore_errors=True)  # scores are all that is wanted
    return known


def _seen(lab: Lab, view: View, architecture: Architecture, trained: Mapping[str, Trial]) -> Seen:
    trial = trained.get(_whole(lab, view.supernet.space, architecture).key)
    metrics = {} if trial is None else trial.metrics
    derives = view.derived is not None
    return Seen(
        architecture,
        inherited=view.inherited(architecture),
        alone=metrics.get(view.objective.metric, math.nan),
        likely=likelihood(view, architecture) if derives else None,
        params=metrics.get("params", math.nan),
        flops=metrics.get("flops", math.nan),
        trial=None if trial is None else trial.number,
    )


def _short_training(lab: Lab, train: Train) -> Estimator:
    """Give the training with what the objectives and the comparison need of costs."""
    cost = Cost.giving(objective.metric for objective in lab.objectives)
    return combine(cost, replace(train, seconds=None, patience=None))


def _whole(lab: Lab, space: ModelSpace, architecture: Architecture) -> Architecture:
    """Give an architecture of the supernet as one of the run's space: with what was pinned."""
    labels = lab.space.space.labels
    pins: dict[str, Value] = {name: v for name, v in space.pins.items() if name in labels}
    return lab.space.space.complete({**pins, **architecture}) if pins else architecture


def _admitted(lab: Lab, space: ModelSpace, architecture: Architecture) -> bool:
    if not lab.constraints:
        return True
    cost = cost_of(lab, _whole(lab, space, architecture))
    return all(constraint.holds(cost) for constraint in lab.constraints)
