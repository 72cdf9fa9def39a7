"""The settings of a search: their names and types, read from a YAML file and flags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from archloom.errors import ConfigError, did_you_mean

Named = str | dict[str, Any]


_ONE_OR_MORE = BeforeValidator(lambda given: [given] if isinstance(given, str) else given)


class _Loader(yaml.SafeLoader):
    """Plain data, with 1e-3 read as the number that people mean (YAML 1.1 wants 1.0e-3)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_yaml(text: str) -> Any:
    """Read YAML as plain data.

    >>> load_yaml("{lr: 1e-3, name: x}")
    {'lr': 0.001, 'name': 'x'}
    """
    return yaml.load(text, _Loader)


class RetrainConfig(BaseModel):
    """How the best architectures are trained again; `train` changes settings of the search.

    `folds` cross-validates them, also where the search did not.
    """

    model_config = ConfigDict(extra="forbid")

    top: int = 1
    epochs: int | None = None
    folds: int | None = Field(default=None, ge=2)
    train: dict[str, Any] = Field(default_factory=dict)


class SearchConfig(BaseModel):
    """All settings of `archloom search`. What is not set gets a default that fits the data."""

    model_config = ConfigDict(extra="forbid")

    data: Named | None = None
    space: Named | None = None
    pinned: dict[str, Any] = Field(default_factory=dict)
    joint: dict[str, Any] = Field(default_factory=dict)
    strategy: Named | None = None
    warm_start: Annotated[list[str], _ONE_OR_MORE] = Field(default_factory=list)
    screen: bool | dict[str, Any] = False
    estimator: Named = "train"
    stopper: Named | None = None
    trials: int = 20
    train: dict[str, Any] = Field(default_factory=dict)
    repeats: int = 1
    folds: int | None = Field(default=None, ge=2)
    retrain: RetrainConfig | bool = Field(default_factory=RetrainConfig)
    ensemble: bool | dict[str, Any] = False
    test: bool = True
    objectives: Annotated[list[str] | None, _ONE_OR_MORE] = Field(default=None, min_length=1)
    constraints: Annotated[list[str], _ONE_OR_MORE] = Field(default_factory=list)
    seed: int = 0
    minutes: float | None = None
    device: str = "auto"
    workers: int = Field(default=1, ge=1)
    keep: int = 3
    max_failures: int = 5
    out: str | None = None


def read_config(path: Path | None, flags: Mapping[str, Any]) -> SearchConfig:
    """Merge a YAML file with flags (which win) and check names and types of all settings.

    Raises:
        ConfigError: for a file that cannot be read and for every setting that does not fit.
    """
    settings = {} if path is None else _read_yaml(path)
    for key, value in flags.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = {**_as_mapping(settings.get(key)), **value}
        settings[key] = value
    if "data" not in settings:
        raise ConfigError("A search needs data: pass --data NAME_OR_FILE, or `data:` in the file.")
    return checked_config(settings)


def checked_config(settings: Mapping[str, Any]) -> SearchConfig:
    """Check names and types of settings in a dict.

    Raises:
        ConfigError: for every setting that is not known or does not fit.

    >>> checked_config({"trials": 3}).strategy is None
    True
    """
    try:
        return SearchConfig.model_validate(settings)
    except ValidationError as error:
        raise ConfigError("\n".join(_in_words(item) for item in error.errors())) from error


def _as_mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = load_yaml(path.read_text())
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{str(path)!r} must hold settings such as `data: digits`, got {settings!r}."
        )
    return settings


def _in_words(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if part not in _UNION_PARTS)
    if item["type"] == "extra_forbidden":
        known = RetrainConfig if item["loc"][0] == "retrain" else SearchConfig
        name = str(item["loc"][-1])
        return f"There is no setting {where!r}: {did_you_mean(name, known.model_fields)}."
    return f"The setting {where!r} does not fit: {item['msg']}, got {item['input']!r}."


_UNION_PARTS = ("str", "bool", "RetrainConfig", "dict[str,any]")


def named(value: Named, what: str) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return value, {}
    settings = dict(value)
    if "name" not in settings:
        raise ConfigError(f"`{what}` needs a name, as in `{what}: {{name: ...}}`, got {value!r}.")
    return settings.pop("name"), settings
