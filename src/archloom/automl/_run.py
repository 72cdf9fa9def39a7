"""One run of a door: settings to an experiment, its end whatever ends it, and its winner."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from archloom.config import checked_config, make_experiment
from archloom.ensemble import has_model
from archloom.errors import ConfigError, RunChanged, RunError
from archloom.experiment import Experiment
from archloom.journal import JOURNAL_FILE
from archloom.stages import BlackBox
from archloom.study import Study
from archloom.task import Task
from archloom.trial import State, Trial

SETTINGS_FILE = "door.json"
_TRAINING = 0.95  # share of the time at which training has ended
_MANY = 10_000  # trials of a search that minutes alone end


class TemporaryFolder:
    """A folder that is there as long as this object is."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="archloom-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class Clock:
    """Wall time since a door was entered."""

    minutes: float | None
    began: float

    @classmethod
    def start(cls, minutes: float | None) -> Clock:
        """Begin to count. Raises `ConfigError` for minutes that are no positive number."""
        if minutes is not None and not (_is_number(minutes) and minutes > 0):
            raise ConfigError(f"minutes must be a positive number or None, got {minutes!r}.")
        return cls(minutes, time.monotonic())

    def left(self) -> float | None:
        """Minutes that are left, a second at the least; None without a limit."""
        if self.minutes is None:
            return None
        return max(self.minutes - (time.monotonic() - self.began) / 60, 1 / 60)

    def deadline(self) -> float | None:
        """When training must have ended, so that the ensemble has time; None without a limit."""
        return None if self.minutes is None else self.began + 60 * self.minutes * _TRAINING


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def begin(
    settings: Mapping[str, Any], task: Task, folder: Path, *, resume: bool, progress: Any
) -> tuple[dict[str, Any], Experiment]:
    """Give the settings that hold in the folder, and the experiment of exactly these.

    Raises:
        RunError: when the folder holds a run and `resume` is not set.
        RunChanged: when the run to go on with was made of other data.
    """
    kept = _recorded(folder, task) if resume else None
    if kept is None and (folder / JOURNAL_FILE).is_file():
        raise RunError(
            f"{str(folder)!r} holds a run already: pass resume=True to go on with it, or choose "
            f"another folder."
        )
    used = dict(kept or settings)
    experiment = make_experiment(
        checked_config({**used, "out": str(folder)}), task, progress=progress
    )
    if kept is None:
        _keep(folder, used, task)
    return used, experiment


def _recorded(folder: Path, task: Task) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / SETTINGS_FILE).read_text())
    except FileNotFoundError:
        return None
    if record["fingerprint"] != task.fingerprint:
        raise RunChanged(
            f"A run goes on only with the data that it began with, and those of the run in "
            f"{str(folder)!r} differ ({record['data']} then, {task!r} now): give the same X, y and "
            f"seed, or choose another folder."
        )
    settings: dict[str, Any] = record["settings"]
    return settings


def _keep(folder: Path, settings: Mapping[str, Any], task: Task) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    record = {"settings": settings, "fingerprint": task.fingerprint, "data": repr(task)}
    beside = folder / f"{SETTINGS_FILE}.part"
    beside.write_text(json.dumps(record, indent=2) + "\n")
    os.replace(beside, folder / SETTINGS_FILE)


def run(experiment: Experiment, deadline: float | None = None) -> tuple[Study, bool]:
    """Run, and give the study and whether Ctrl-C ended it early.

    Ctrl-C goes on upwards when there is no trained model yet to be kept.
    """
    try:
        return experiment.run(deadline=deadline), False
    except KeyboardInterrupt:
        study = _study(experiment.folder)
        if study is None or winner(experiment, study) is None:
            raise
        warnings.warn(
            "Stopped by Ctrl-C: the best model found so far is kept, and refine() goes on.",
            stacklevel=5,
        )
        return study, True


def _study(folder: Path) -> Study | None:
    try:
        return Study.open(folder)
    except RunError:
        return None


def winner(experiment: Experiment, study: Study) -> Trial | None:
    """Give the best trial whose weights were kept, None before there is one."""
    objective = experiment.objectives[0]
    usable = [
        trial
        for trial in study.trials()
        if trial.state.scored
        and objective.metric in trial.metrics
        and has_model(trial.architecture, experiment.folder / "trials" / f"{trial.number:05d}")
    ]
    usable.sort(key=lambda t: (-objective.gain(t.metrics[objective.metric]), t.number))
    return usable[0] if usable else None


def best_model(experiment: Experiment, study: Study, interrupted: bool) -> nn.Module:
    """Give the model of the experiment's winner, or after Ctrl-C of the best trial so far.

    Raises:
        ConfigError: when nothing could be trained; the message holds the last failure.
    """
    if study.note("best") is not None and not interrupted:
        return experiment.model()
    found = winner(experiment, study)
    if found is None:
        errors = [t.error for t in study.trials(None, State.FAILED) if t.error]
        last = f" The last failure: {errors[-1]}" if errors else ""
        raise ConfigError(f"The search ended without any trained model.{last}")
    return experiment.model(found)


def further(
    experiment: Experiment,
    study: Study,
    *,
    minutes: float | None,
    trials: int | None,
    progress: Any,
) -> Experiment:
    """Give the experiment that goes on with a run, for so many more minutes or trials.

    What comes after the search gets its time out of the minutes; it is left out where they are
    too few for it.
    """
    stages = list(experiment.stages)
    limit = None
    if minutes is not None:
        seconds = 60 * minutes
        later = _seconds_after_search(experiment, study)
        if later > 0.7 * seconds:
            stages, later = [s for s in stages if isinstance(s, BlackBox)], 0.0
        limit = (study.spent + 0.95 * (seconds - later)) / 60
    stages = [_with_trials(s, study, trials) if isinstance(s, BlackBox) else s for s in stages]
    return Experiment(
        experiment.space,
        experiment.task,
        stages,
        experiment.folder,
        objectives=experiment.objectives,
        constraints=experiment.constraints,
        seed=experiment.seed,
        minutes=limit,
        device=experiment.device_name,
        max_failures=experiment.limits.failures,
        progress=progress,
        **({"workers": experiment.workers} if hasattr(experiment, "workers") else {}),
    )


def _with_trials(stage: BlackBox, study: Study, more: int | None) -> BlackBox:
    done = study.count(stage.name) - study.count(stage.name, State.REJECTED)
    return replace(stage, trials=done + more if more else max(stage.trials, done + _MANY))


def _seconds_after_search(experiment: Experiment, study: Study) -> float:
    """Say what the stages after the search took, or would have."""
    searches = {stage.name for stage in experiment.stages if isinstance(stage, BlackBox)}
    return sum(trial.seconds for trial in study.trials() if trial.stage not in searches)
