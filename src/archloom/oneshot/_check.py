"""Checks of settings that several methods have."""

from __future__ import annotations

from archloom.errors import ConfigError


def check_whole(method: str, name: str, value: object, low: int) -> None:
    """Raise `ConfigError` unless `value` is an int of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(f"{name} of {method} must be a whole number from {low}, got {value!r}.")


def check_number(method: str, name: str, value: object, low: float, open_low: bool = False) -> None:
    """Raise `ConfigError` unless `value` is a number of at least (or above) `low`."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not (value > low if open_low else value >= low):  # type: ignore[operator]
        bound = f"above {low:g}" if open_low else f"of at least {low:g}"
        raise ConfigError(f"{name} of {method} must be a number {bound}, got {value!r}.")


def check_one_of(method: str, name: str, value: object, known: tuple[object, ...]) -> None:
    """Raise `ConfigError` unless `value` is one of `known`."""
    if value not in known:
        raise ConfigError(
            f"{name} of {method} must be one of {', '.join(map(repr, known))}, got {value!r}."
        )
