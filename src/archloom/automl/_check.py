"""Settings of a door that can be judged before any data are looked at."""

from __future__ import annotations

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
