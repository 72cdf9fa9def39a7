"""Estimators as JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from archloom import plugins
from archloom.errors import ConfigError, did_you_mean


def describe(estimator: Any) -> dict[str, Any]:
    """Give the estimator's name and settings as JSON can hold them.

    A function is described by where it lives, `"module:function"`.

    >>> from archloom.estimators import Inherited
    >>> describe(Inherited(batches=4))
    {'name': 'inherited', 'stage': 'supernet', 'batches': 4, 'batch_size': 128}
    """
    kind = estimator if hasattr(estimator, "__qualname__") else type(estimator)
    described = {"name": plugins.name_of("estimators", kind)}
    if is_dataclass(estimator) and not isinstance(estimator, type):
        described |= {f.name: _plain(getattr(estimator, f.name)) for f in fields(estimator)}
    return described


def rebuild_estimator(description: Mapping[str, Any]) -> Any:
    """Give the estimator that `describe` described.

    >>> from archloom.estimators import Repeat, Train
    >>> estimator = Repeat(Train(epochs=2), times=4)
    >>> rebuild_estimator(describe(estimator)) == estimator
    True
    """
    settings = dict(description)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(f"A description of an estimator needs a name, got {dict(description)!r}.")
    return from_config(name, settings)


def from_config(name: str, settings: Mapping[str, Any]) -> Any:
    """Give the estimator of that name, or `"module:attribute"`, with these settings.

    Settings that describe estimators themselves, `{"name": ...}`, become estimators first.

    Raises:
        ConfigError: when the name or a setting is not known, or the function cannot be found.

    >>> from_config("repeat", {"estimator": {"name": "train", "epochs": 2}, "times": 2}).times
    2
    """
    made = plugins.find("estimators", name)
    settings = {key: _built(value) for key, value in settings.items()}
    if not isinstance(made, type):
        if settings:
            raise ConfigError(f"The estimator {name!r} is a function and takes no settings.")
        return made
    if is_dataclass(made):
        known = [field.name for field in fields(made)]
        for setting in settings:
            if setting not in known:
                raise ConfigError(
                    f"The estimator {name!r} has no setting {setting!r}: "
                    f"{did_you_mean(setting, known)}."
                )
    return made(**settings)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if callable(value):
        return describe(value)
    return value


def _built(value: Any) -> Any:
    if isinstance(value, Mapping) and "name" in value:
        return rebuild_estimator(value)
    if isinstance(value, list | tuple):
        return tuple(_built(item) for item in value)
    return value
