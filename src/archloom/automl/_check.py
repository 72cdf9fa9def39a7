"""Settings of a door that can be judged before any data are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archloom.errors import ConfigError

_AUTO = ("auto", None)


def check_settings(door: Any) -> None:
    """Raise `ConfigError` for settings that fit no data."""
    for name in ("trials", "epochs", "workers"):
        value = getattr(door, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 1):
            raise ConfigError(f"{name} must be a whole number from 1, got {value!r}.")
    folds = door.folds
    if folds not in _AUTO and (isinstance(folds, bool) or not isinstance(folds, int) or folds < 2):
        raise ConfigError(f"folds is 'auto', None or a whole number from 2, got {folds!r}.")
    _check_threshold(door.threshold)


def _check_threshold(wanted: Any) -> None:
    if wanted is None or isinstance(wanted, str):
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
