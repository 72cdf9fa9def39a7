"""What a search of the doors begins with, and which training settings it searches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from archloom.architecture import Architecture, Value
from archloom.space import Choice, OneOf, Space
from archloom.task import Task

Values = Mapping[str, Value]

_PLAIN: Final[Values] = {
    "stages": 3,
    "depth": 2,
    "head": "average+maximum",
    "dropout": 0.2,
    "stem": "pooled",
    "augment": "light-flip",
}

_WIDE: Final[Values] = {
    "width": 32,
    "stages": 3,
    "extra": 1,
    "op": "residual3",
    "head": "linear",
    "dropout": 0.2,
    "augment": "light-flip",
}

_FIRST: Final[Mapping[str, tuple[Values, ...]]] = {
    "image": (
        _PLAIN,
        {**_PLAIN, "augment": "light"},
        {**_PLAIN, "activation": "silu", "excited": True, "augment": "light"},
        {**_PLAIN, "stem": "full", "augment": "trivial"},
    ),
    "small_cnn": (
        _WIDE,
        {**_WIDE, "augment": "light"},
        {**_WIDE, "kernel": 5, "augment": "medium-flip"},
    ),
}
"""By the kind of data or the space, settings by the last part of their label; the rest is at its
default."""

_FEW: Final = 3_000
"""Up to so many training samples a search of images begins with its smallest networks."""


def first_architectures(space: Space, task: Task) -> list[Architecture]:
    """Give the points of the space to begin with, the most trusted one first, none twice."""
    size: Values = {"work": 2 if len(task.train) <= _FEW else 4}
    found: list[Architecture] = []
    plain = task.kind == "image" and "work" not in space.labels
    for values in _FIRST.get("small_cnn" if plain else task.kind, ({},)):
        architecture = space.complete({}, partial(_preferred, {**size, **values}))
        if architecture not in found:
            found.append(architecture)
    return found


def _preferred(values: Values, choice: Choice) -> Value:
    wanted = values.get(choice.label.rpartition(".")[2])
    known = isinstance(choice.domain, OneOf) and wanted in choice.domain.values()
    return wanted if known and wanted is not None else choice.domain.default


_RATES: Final = {"image": [0.003, 0.001, 0.006], "table": [0.003, 0.001, 0.0003]}

_POLICIES: Final[Mapping[str, list[str]]] = {
    "image": ["light", "medium", "strong", "trivial"],
    "volume": ["none", "light", "medium"],
    "series": ["none", "light", "medium", "strong"],
    "table": ["none", "medium", "strong"],
    "text": ["none", "light"],
}


def joint_settings(task: Task, augment: Any, own: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Give the training settings that are searched with the architecture, and their values.

    What the user sets (`own`, `augment`) is not searched. Where the task allows flips, policies
    come with and without them, since whether they help is for the validation data to say.
    """
    policies = list(_POLICIES.get(task.kind, ["none"]))
    if "flip" in task.augment_ops:
        policies = [name for policy in policies for name in (f"{policy}-flip", policy)]
    searched: dict[str, list[Any]] = {"lr": list(_RATES.get(task.kind, [0.003, 0.001]))}
    if augment == "auto" and len(policies) > 1:
        searched["augment"] = policies
    return {setting: values for setting, values in searched.items() if setting not in own}
