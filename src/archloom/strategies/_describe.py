"""Strategies as JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from archloom import plugins
from archloom.errors import ConfigError, did_you_mean
from archloom.strategies._strategy import Strategy

Spec: TypeAlias = "str | Mapping[str, Any] | Strategy"
"""A strategy, its name, or `{"name": ..., SETTING: ...}`."""


def made(spec: Spec) -> Strategy:
    """Give the strategy of a name or of `{"name": ..., SETTING: ...}`; a strategy as it is.

    What `described` gave comes back as an equal strategy.

    Raises:
        ConfigError: for an unknown name or setting, or something that is no strategy.

    >>> made({"name": "evolution", "population": 8, "sample": 3}).population
    8
    >>> made("grid")
    Grid(points=5, shuffle=False, seed=None)
    """
    if isinstance(spec, Strategy):
        return spec
    name, settings = _parts(spec)
    make = plugins.find("strategies", name)
    if is_dataclass(make):
        known = [field.name for field in fields(make) if field.init]
        for setting in settings:
            if setting not in known:
                raise ConfigError(
                    f"The strategy {name!r} has no setting {setting!r}: "
                    f"{did_you_mean(setting, known)}."
                )
    strategy: object = make(**settings)
    if not isinstance(strategy, Strategy):
        raise ConfigError(
            f"{name!r} gives no strategy but {strategy!r}: it must be a class that derives from "
            f"archloom.strategies.Strategy."
        )
    return strategy


def described(strategy: Strategy) -> dict[str, Any]:
    """Give the strategy's name and settings as JSON can hold them, those inside it too.

    Raises:
        ConfigError: for a setting that JSON cannot hold.

    >>> from archloom.strategies import Grid
    >>> described(Grid(seed=3))
    {'name': 'grid', 'points': 5, 'shuffle': False, 'seed': 3}
    """
    name = plugins.name_of("strategies", type(strategy))
    settings_of: Any = strategy
    names = [field.name for field in fields(settings_of)] if is_dataclass(settings_of) else []
    settings = {setting: getattr(strategy, setting) for setting in names}
    return {"name": name, **{key: _plain(name, key, value) for key, value in settings.items()}}


def _parts(spec: object) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and isinstance(spec.get("name"), str):
        settings = dict(spec)
        return settings.pop("name"), settings
    raise ConfigError(
        f"A strategy is described by its name or by {{'name': NAME, SETTING: VALUE}}, got {spec!r}."
    )


def _plain(name: str, setting: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Strategy):
        return described(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(name, setting, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(name, setting, item) for item in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    raise ConfigError(
        f"The settings of a strategy are kept in the record, so they must be plain data, but "
        f"{setting} of {name!r} is {value!r} of type {type(value).__name__}."
    )
