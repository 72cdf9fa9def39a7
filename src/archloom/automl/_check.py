"""Settings of a door that can be judged before any data are looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import torch

from archloom.ensemble import THRESHOLD_METRICS
from archloom.errors import ConfigError, did_you_mean
from archloom.task import Task

_AUTO = ("auto", None)


def check_settings(door: Any) -> None:
    """Raise `ConfigError` for settings that fit no data."""
    for name in ("trials", "epochs", "workers"):
        value = getattr(door, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name == "workers" and value == "auto":
            continue
        if value is not None and not (whole and value >= 1):
            raise ConfigError(f"{name} must be a whole number from 1, got {value!r}.")
    folds = door.folds
    if folds not in _AUTO and (isinstance(folds, bool) or not isinstance(folds, int) or folds < 2):
        raise ConfigError(f"folds is 'auto', None or a whole number from 2, got {folds!r}.")
    _check_threshold(door.threshold)
    _check_forms(door)


def check_against(door: Any, task: Task, folds: int | str | None) -> None:
    """Raise `ConfigError` for settings that do not fit the data, before anything is trained."""
    if isinstance(folds, int):
        samples = len(task.train) + len(task.valid)
        most, what = samples, "samples"
        if task.groups is not None:
            most, what = len(torch.unique(torch.as_tensor(task.groups))), "groups of samples"
        if folds > most:
            raise ConfigError(f"There are {most} {what} for folds={folds}: give at most {most}.")
    if door.threshold in THRESHOLD_METRICS and task.target.kind == "labels":
        raise ConfigError(
            f"A threshold can be tuned for two classes, got threshold={door.threshold!r} for "
            f"several labels: give a number."
        )


def _check_forms(door: Any) -> None:
    """Check settings of which the type alone can be judged here."""
    fits = {
        "ensemble": ("'auto', True, False or a mapping of settings", _is_ensemble(door.ensemble)),
        "seed": (
            "a whole number",
            isinstance(door.seed, Integral) and not isinstance(door.seed, bool),
        ),
        "folder": ("a path or None", isinstance(door.folder, str | os.PathLike | None)),
        "distill": ("True or False", isinstance(door.distill, bool)),
        "resume": ("True or False", isinstance(door.resume, bool)),
    }
    for name, (form, fit) in fits.items():
        if not fit:
            raise ConfigError(f"{name} is {form}, got {getattr(door, name)!r}.")


def _is_ensemble(wanted: Any) -> bool:
    return isinstance(wanted, bool | Mapping) or (isinstance(wanted, str) and wanted == "auto")


def _check_threshold(wanted: Any) -> None:
    if isinstance(wanted, str):
        known = ("auto", *THRESHOLD_METRICS)
        if wanted not in known:
            raise ConfigError(
                f"A threshold cannot be tuned for {wanted!r}: {did_you_mean(wanted, known)}."
            )
        return
    if wanted is None:
        return
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 < wanted < 1:
        raise ConfigError(
            f"threshold is a probability between 0 and 1, 'auto', None, or a metric to tune it "
            f"for, got {wanted!r}."
        )


def ensemble_wish(wanted: Any, threshold: Any, distill: bool) -> Any:
    """Give what is wished of the ensemble stage, with the door's threshold and distillation.

    A threshold that the door itself sets is not to be moved by the stage as well.
    """
    settings: dict[str, Any] = {}
    if threshold != "auto":
        settings["threshold"] = None
    if isinstance(threshold, str) and threshold != "auto":
        settings["temperature"] = False
    if distill:
        settings["distill"] = True
    if not settings or (wanted is False and not distill):
        return wanted
    return {**settings, **(wanted if isinstance(wanted, Mapping) else {})}
