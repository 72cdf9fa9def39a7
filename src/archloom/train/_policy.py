"""Policies: names for sets of augmentations, by the kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archloom.errors import ConfigError
from archloom.task import Task, leaves

LABEL_CHANGING: Final = ("flip", "vflip", "dflip", "rot90")
"""What may make another thing of a sample (a 6 of a 9): done only where the task allows it."""

CHOOSING: Final[Mapping[str, tuple[int, bool]]] = {"trivial": (1, False), "rand": (2, True)}
"""Policies that draw so many operations for each sample, and whether at full strength each."""

_IMAGE = ("shift", "scale", "rotate", "brightness", "contrast")
_VOLUME = ("shift", "brightness", "contrast", "noise")
_SERIES = ("jitter", "scale", "time_shift")
_TABLE = ("feature_noise", "feature_drop")

CHOSEN: Final[Mapping[str, tuple[str, ...]]] = {
    "image": (*_IMAGE, "shear", "cutout"),
    "volume": (*_VOLUME, "cutout"),
    "series": (*_SERIES, "time_mask", "channel_drop"),
    "table": _TABLE,
    "text": ("token_drop",),
}
"""What each kind of data offers to the policies that draw; categories are only mixed."""

_POLICIES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "light": {
        "image": ("shift",),
        "volume": ("shift",),
        "series": ("jitter",),
        "table": ("feature_noise",),
        "text": ("token_drop",),
    },
    "medium": {
        "image": _IMAGE,
        "volume": _VOLUME,
        "series": _SERIES,
        "table": _TABLE,
        "text": ("token_drop",),
    },
    "strong": {
        **{kind: (*CHOSEN[kind], "mixup") for kind in ("image", "volume", "series", "table")},
        "text": ("token_drop",),
    },
    "trivial": CHOSEN,
    "rand": CHOSEN,
}


def operations(augment: bool | str | tuple[str, ...], task: Task) -> tuple[str, ...]:
    """Give the operations that a recipe's `augment` means for a task, no matter in what order.

    Raises:
        ConfigError: when an operation is named that the task must allow, and does not.
    """
    if augment is True:
        return task.augment_ops
    if augment is False or augment == "none":
        return ()
    if isinstance(augment, str):
        name, *without = augment.split("-")
        policy = _POLICIES[name]
        ops = [op for _, kind in leaves(task.kinds) for op in policy.get(kind, ())]
        allowed = [op for op in LABEL_CHANGING if op in task.augment_ops]
        return tuple(op for op in dict.fromkeys([*allowed, *ops]) if op not in without)
    for op in augment:
        if op in LABEL_CHANGING and op not in task.augment_ops:
            raise ConfigError(
                f"{op!r} can make another thing of a sample, and the task {task.name!r} does not "
                f"allow it: add it to the task's augment_ops where it changes no label, or leave "
                f"it out of augment={augment!r}."
            )
    return augment
