"""One run of a door: settings to an experiment, its end whatever ends it, and its winner."""

from __future__ import annotations

import json
import math
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
_FIXED = (
    "objective",
    "space",
    "strategy",
    "constraints",
    "epochs",
    "folds",
    "augment",
    "ensemble",
    "train",
    "class_weights",
    "threshold",
    "seed",
    "distill",
)
_FREE = ("minutes", "trials", "workers", "device")
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


def asked(door: Any) -> dict[str, Any]:
    """Give what was asked of a door as JSON holds it, so that a run can be compared with it."""
    plain: dict[str, Any] = json.loads(
        json.dumps({name: getattr(door, name) for name in (*_FIXED, *_FREE)}, default=_plain)
    )
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def begin(
    settings: Mapping[str, Any],
    task: Task,
    folder: Path,
    *,
    asked: Mapping[str, Any],
    resume: bool,
    progress: Any,
) -> tuple[dict[str, Any], Experiment, list[str]]:
    """Give the settings that hold in the folder, the experiment of exactly these, and notices.

    Raises:
        RunError: when the folder holds a run and `resume` is not set.
        RunChanged: when the run to go on with was made of other data, or with other settings.
    """
    record = _recorded(folder, task) if resume else None
    notices = [] if record is None else _compared(record.get("asked", {}), asked, folder)
    kept = None if record is None else record["settings"]
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
        _keep(folder, used, task, asked)
    return used, experiment, notices


def _nearly(then: Any, now: Any) -> bool:
    """Whether they are minutes that differ by what reading the data took."""
    floats = isinstance(then, float) and isinstance(now, float)
    return floats and math.isclose(then, now, rel_tol=0.05)


def _compared(then: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> list[str]:
    """Give notices of settings that may differ. Raises `RunChanged` for those that may not."""
    differ = [name for name in now if name in then and then[name] != now[name]]
    fixed = [f"{name}: {then[name]!r} then, {now[name]!r} now" for name in differ if name in _FIXED]
    if fixed:
        raise RunChanged(
            f"A run goes on only with the settings that it began with, and those of the run in "
            f"{str(folder)!r} differ ({'; '.join(fixed)}): give the same ones, or choose another "
            f"folder."
        )
    return [
        f"The run that was resumed keeps its plan, made for {name}={then[name]!r} "
        f"({now[name]!r} now): refine() adds minutes or trials."
        for name in differ
        if name in _FREE and not _nearly(then[name], now[name])
    ]


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
    found: dict[str, Any] = record
    return found


def _keep(folder: Path, settings: Mapping[str, Any], task: Task, asked: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "settings": settings,
        "asked": asked,
        "fingerprint": task.fingerprint,
        "data": repr(task),
    }
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
