"""Gates as JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.oneshot._gates import Gates
from archloom.plugins import find, load, name_of

_HOME = "archloom.oneshot"


def describe_gates(gates: Gates) -> dict[str, Any]:
    """Give a method's name and settings as JSON can hold them.

    >>> from archloom.oneshot import Gdas
    >>> describe_gates(Gdas(hot=5.0))
    {'name': 'gdas', 'hot': 5.0, 'cold': 0.1, 'none': 'auto'}
    """
    return {"name": name_of("methods", type(gates)), **settings_of(gates)}


def rebuild_gates(description: Mapping[str, Any]) -> Gates:
    """Give the method that `describe_gates` described, or that a configuration names.

    Raises:
        ConfigError: for a method or a setting that is not known.

    >>> rebuild_gates({"name": "darts", "order": 2}).order
    2
    """
    settings = dict(description)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(f"A method needs a name, as in {{'name': 'darts'}}, got {description!r}.")
    make = find("methods", name)
    known = setting_names(make)
    for setting in settings:
        if setting not in known:
            raise ConfigError(
                f"The method {name!r} has no setting {setting!r}: {did_you_mean(setting, known)}."
            )
    made = make(**settings)
    if not isinstance(made, Gates):
        raise ConfigError(
            f"A one-shot method keeps the protocol archloom.oneshot.Gates, and {name!r} gives "
            f"{made!r}."
        )
    return made


def describe_part(part: Any) -> dict[str, Any]:
    """Give a guard or the like as JSON data: the name of its class and its settings.

    >>> from archloom.oneshot import SkipCount
    >>> describe_part(SkipCount(limit=3))
    {'name': 'SkipCount', 'limit': 3, 'cells': [], 'after': 0}
    """
    kind = type(part)
    own = kind.__module__.startswith(f"{_HOME}.")
    name = kind.__name__ if own else f"{kind.__module__}:{kind.__qualname__}"
    return {"name": name, **settings_of(part)}


def rebuild_part(description: Any, kind: Any = None) -> Any:
    """Give what `describe_part` described; anything but a mapping is given back as it is.

    `kind` is the class where the description need not name one.

    Raises:
        ConfigError: for a class or a setting that is not known.
    """
    if not isinstance(description, Mapping):
        return description
    settings = dict(description)
    name = settings.pop("name", None)
    if name is None and kind is None:
        raise ConfigError(f"A part needs a name, such as 'SkipCount', got {description!r}.")
    made = kind if name is None else _part(name)
    known = setting_names(made)
    for setting in settings:
        if setting not in known:
            raise ConfigError(
                f"{made.__name__} has no setting {setting!r}: {did_you_mean(setting, known)}."
            )
    return made(**settings)


def _part(name: str) -> Any:
    if ":" in name:
        return load(name)
    home = import_module(_HOME)
    parts = {part for part in home.__all__ if isinstance(getattr(home, part), type)}
    if name not in parts:
        raise ConfigError(
            f"There is no part of a one-shot search called {name!r}: {did_you_mean(name, parts)}."
        )
    return getattr(home, name)


def setting_names(make: Any) -> tuple[str, ...]:
    """Give the names of a method's settings: the fields of its dataclass."""
    return tuple(field.name for field in fields(make) if field.init) if is_dataclass(make) else ()


def settings_of(thing: Any) -> dict[str, Any]:
    """Give the settings of a dataclass as plain data."""
    names = setting_names(type(thing))
    return {name: _plain(getattr(thing, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
