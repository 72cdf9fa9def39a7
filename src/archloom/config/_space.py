"""The space that settings name, and what hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archloom.config._settings import SearchConfig, named
from archloom.errors import ConfigError, did_you_mean
from archloom.plugins import known, load

if TYPE_CHECKING:
    from archloom.nn import ModelSpace
    from archloom.task import Task


def make_space(config: SearchConfig, task: Task) -> ModelSpace:
    """Load the space; without one, the one that `default_space` names for the task's kind.

    For a one-shot method, choices that cannot share weights are pinned to their defaults.

    Raises:
        SpaceError: for a one-shot method, where no choice can share weights.
    """
    from archloom.nn import load_space, unshareable

    name, settings = named(config.space or default_space(task), "space")
    space = load_space(name, **settings)
    if config.pinned:
        space = space.with_hints(task.hints).pinned(config.pinned)
    if method_of(config) is not None:
        space, example = space.with_hints(task.hints), task.example(2)
        pins = unshareable(space, example)
        if pins and not space.pinned(pins).space.labels:
            space.supernet(example=example)  # raises, and says what keeps the choices from sharing
        space = space.pinned(pins)
    return space.joint(**_domains(config.joint)) if config.joint else space


def method_of(config: SearchConfig) -> str | None:
    """Give the name of the one-shot method that the strategy names, None for a strategy.

    Raises:
        ConfigError: for a name that is neither.
    """
    given = config.strategy or {}
    if isinstance(given, dict) and "name" not in given:
        return None
    name, _ = named(given, "strategy")
    strategies, methods = known("strategies"), known("methods")
    if name in strategies:
        return None
    if name in methods or (":" in name and hasattr(load(name), "probabilities")):
        return name
    if ":" not in name:
        raise ConfigError(
            f"There is no strategy or one-shot method called {name!r}: "
            f"{did_you_mean(name, [*strategies, *methods])}."
        )
    return None


def _domains(joint: Mapping[str, Any]) -> dict[str, Any]:
    """Give what each training setting may be: a list of values, or a range."""
    from archloom.space import integers, log_uniform, uniform

    domains: dict[str, Any] = {}
    for setting, given in joint.items():
        match given:
            case list():
                domains[setting] = given
            case {"low": low, "high": high, **rest} if rest.keys() <= {"log"}:
                whole = isinstance(low, int) and isinstance(high, int)
                draw = log_uniform if rest.get("log") else integers if whole else uniform
                domains[setting] = draw(low, high)
            case _:
                raise ConfigError(
                    f"`joint` gives what a training setting may be, a list of values or a range "
                    f"such as {{low: 1e-4, high: 1e-2, log: true}}; {setting} has {given!r}."
                )
    return domains


def default_space(task: Task) -> str:
    """Name the space for data of the task's kind: `small_cnn` for images, for instance."""
    return _SPACES.get(task.kind, "mlp")


_SPACES = {
    "image": "small_cnn",
    "volume": "convnet",
    "series": "series_net",
    "table": "table_net",
    "text": "text_net",
    "mixed": "mixed_net",
}


def default_folder(space: ModelSpace, task: Task) -> str:
    """A new folder under `runs/`, named after data, space and a running number."""
    stem = f"{task.name}-{space.__name__}".replace("/", "-").replace(" ", "-")
    number = 1
    while Path("runs", f"{stem}-{number}").exists():
        number += 1
    return str(Path("runs", f"{stem}-{number}"))
