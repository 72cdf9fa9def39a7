"""Stoppers as JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from archloom import plugins
from archloom.errors import ConfigError, did_you_mean
from archloom.stoppers._stopper import Stopper

Spec: TypeAlias = "str | Mapping[str, Any] | Stopper"
"""A stopper, its name, or `{"name": ..., SETTING: ...}`."""


def made(spec: Spec) -> Stopper:
    """Give the stopper of a name or of `{"name": ..., SETTING: ...}`; a stopper as it is.

    Raises:
        ConfigError: for an unknown name or setting, or something that is no stopper.

    >>> made({"name": "median", "startup": 3})
    Median(startup=3, after=1)
    """
    if isinstance(spec, str):
        name, settings = spec, {}
    elif isinstance(spec, Mapping) and isinstance(spec.get("name"), str):
        settings = dict(spec)
        name = settings.pop("name")
    elif callable(spec) and not isinstance(spec, type):
        return spec
    else:
        raise ConfigError(
            f"A stopper is called with the study and a trial, or described by its name or by "
            f"{{'name': NAME, SETTING: VALUE}}, got {spec!r}."
        )
    make = plugins.find("stoppers", name)
    if not isinstance(make, type):
        if settings:
            raise ConfigError(f"The stopper {name!r} is a function and takes no settings.")
        return _checked(make, name)
    known = [field.name for field in fields(make) if field.init] if is_dataclass(make) else None
    for setting in settings:
        if known is not None and setting not in known:
            raise ConfigError(
                f"The stopper {name!r} has no setting {setting!r}: {did_you_mean(setting, known)}."
            )
    return _checked(make(**settings), name)


def described(stopper: Stopper) -> dict[str, Any]:
    """Give the stopper's name and settings as JSON can hold them.

    A function is described by where it lives, `"module:function"`.

    >>> from archloom.stoppers import Halving
    >>> described(Halving())
    {'name': 'halving', 'eta': 3, 'first': 1}
    """
    kind: Any = stopper if hasattr(stopper, "__qualname__") else type(stopper)
    name = plugins.name_of("stoppers", kind)
    if not is_dataclass(kind):
        return {"name": name}
    shown = [field.name for field in fields(kind) if field.init]
    return {"name": name, **{setting: getattr(stopper, setting) for setting in shown}}


def _checked(stopper: Any, name: str) -> Stopper:
    if not callable(stopper):
        raise ConfigError(
            f"{name!r} gives no stopper but {stopper!r}: it must be called with the study and a "
            f"running trial, and say whether to stop it."
        )
    return stopper  # type: ignore[no-any-return]
