"""What must hold for the splits of every task, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._classes import Classes
from archloom.task._data import Split, leaves
from archloom.task._mixed import Mixed
from archloom.task._multilabel import Labels
from archloom.task._numbers import Numbers
from archloom.task._target import Target

if TYPE_CHECKING:
    from archloom.task._task import Task


def are_classes(targets: Tensor) -> bool:
    """Say whether the targets are class indices: one whole number a sample."""
    return targets.ndim == 1 and not targets.is_floating_point()


def check_splits(splits: Mapping[str, Split], target: Target) -> None:
    """Raise `DataError` unless the splits can be trained on and judged together."""
    for name, split in splits.items():
        _check_lengths(name, split)
        _check_alike(name, split, splits["train"])
    check_targets({name: split.targets for name, split in splits.items()}, target)


def check_settings(task: Task, main_metric: str | None, augment_ops: Sequence[str]) -> None:
    """Raise unless names, groups and settings of a task fit its data.

    Raises:
        DataError: for a wrong number of names or groups.
        ConfigError: for an augmentation or a metric that is not known.
    """
    if len(task.class_names) != task.classes:
        raise DataError(f"{task.classes} classes need as many names, got {len(task.class_names)}.")
    for given, known, what in (
        (task.augment_ops, augment_ops, "augmentation"),
        ((main_metric or "loss",), task.metric_names, "metric to be main_metric"),
    ):
        for name in given:
            if name not in known:
                raise ConfigError(f"There is no {what} {name!r}: {did_you_mean(name, known)}.")
    pooled = len(task.train) + len(task.valid)
    if task.groups is not None and len(task.groups) != pooled:
        raise DataError(
            f"Each of the {pooled} training and validation samples needs a group, got "
            f"{len(task.groups)}."
        )


def check_targets(targets: Mapping[str, Tensor], target: Target, part: str = "") -> None:
    """Raise `DataError` unless the targets of all splits are of this kind and can be learnt.

    `part` names the part of a mixed target in messages.
    """
    match target:
        case Mixed():
            _check_columns(targets, target, part)
            cut = {name: target.split_targets(one) for name, one in targets.items()}
            for name, inner in target.parts.items():
                check_targets({split: parts[name] for split, parts in cut.items()}, inner, name)
        case Labels():
            _check_columns(targets, target, part)
            _check_labels(targets, target, part)
        case Numbers():
            _check_columns(targets, target, part)
            _check_numbers(targets, target, part)
        case Classes():
            _check_indices(targets, target)
            _check_classes(targets, target.names)
        case _:
            for name, tensor in targets.items():
                _check_finite(name, tensor)


def _check_lengths(name: str, split: Split) -> None:
    if not len(split):
        raise DataError(f"A split must hold samples, {name} has none.")
    for member, tensor in leaves(split.inputs):
        if len(tensor) != len(split):
            raise DataError(
                f"Every sample needs one target: {name}{member} holds {len(tensor)} samples and "
                f"{len(split)} labels."
            )


def _check_alike(name: str, split: Split, train: Split) -> None:
    mine, theirs = dict(leaves(split.inputs)), dict(leaves(train.inputs))
    if mine.keys() != theirs.keys():
        raise DataError(
            f"All splits must have the same inputs, {name} has {list(mine)} and train has "
            f"{list(theirs)}."
        )
    for member, tensor in mine.items():
        other = theirs[member]
        if tensor.shape[1:] != other.shape[1:]:
            raise DataError(
                f"Samples of all splits must have one shape: {name}{member} has "
                f"{tuple(tensor.shape[1:])}, train{member} has {tuple(other.shape[1:])}."
            )
        if tensor.dtype != other.dtype:
            raise DataError(
                f"All splits must have one dtype: {name}{member} has {tensor.dtype}, "
                f"train{member} has {other.dtype}. Was only one of them scaled?"
            )
    if split.targets.shape[1:] != train.targets.shape[1:]:
        raise DataError(
            f"Targets of all splits must have one shape: {name} has "
            f"{tuple(split.targets.shape[1:])}, train has {tuple(train.targets.shape[1:])}."
        )


def _check_indices(targets: Mapping[str, Tensor], target: Target) -> None:
    for name, tensor in targets.items():
        if not are_classes(tensor):
            raise DataError(
                f"Targets of classes are one whole number a sample, those of {name} are "
                f"{tensor.dtype} of shape {tuple(tensor.shape)}."
            )
        _check_range(name, tensor, target.outputs)


def _check_range(name: str, targets: Tensor, classes: int) -> None:
    bad = ((targets < 0) | (targets >= classes)).nonzero().flatten()
    if len(bad):
        raise DataError(
            f"Labels of {classes} classes lie between 0 and {classes - 1}, got "
            f"{int(targets[bad[0]])} in {name} at index {int(bad[0])} ({len(bad)} such)."
        )


def _check_classes(targets: Mapping[str, Tensor], class_names: Sequence[str]) -> None:
    counts = {n: torch.bincount(t, minlength=len(class_names)) for n, t in targets.items()}
    present = counts["train"] > 0
    if int(present.sum()) < 2:
        only = class_names[int(present.nonzero()[0])]
        raise DataError(
            f"Training needs at least two classes, all {len(targets['train'])} training labels are "
            f"{only!r}. Is the right column used as the label?"
        )
    for name, count in counts.items():
        missing = ((count > 0) & ~present).nonzero().flatten().tolist()
        if missing:
            names = ", ".join(repr(class_names[index]) for index in missing)
            raise DataError(
                f"Every class needs a training sample: {name} has samples of {names}, train has "
                f"none. Shuffle before splitting, or leave those samples out."
            )


def _check_columns(targets: Mapping[str, Tensor], target: Target, part: str) -> None:
    for name, tensor in targets.items():
        if not tensor.is_floating_point() or tuple(tensor.shape[1:]) != (target.columns,):
            raise DataError(
                f"Targets{_of(part)} must be floats of shape (samples, {target.columns}), those of "
                f"{name} are {tensor.dtype} of shape {tuple(tensor.shape)}."
            )
        _check_finite(name, tensor)


def _check_finite(name: str, targets: Tensor) -> None:
    bad = (~torch.isfinite(targets)).nonzero()
    if len(bad):
        raise DataError(
            f"Targets must be finite numbers, got {float(targets[tuple(bad[0])])} in {name} at "
            f"index {int(bad[0][0])} ({len(bad)} such). Leave those samples out."
        )


def _check_labels(targets: Mapping[str, Tensor], target: Target, part: str) -> None:
    for name, tensor in targets.items():
        bad = ((tensor != 0) & (tensor != 1)).nonzero()
        if len(bad):
            raise DataError(
                f"Labels{_of(part)} are 0 or 1, got {float(tensor[tuple(bad[0])]):g} in {name} at "
                f"index {bad[0].tolist()} ({len(bad)} such)."
            )
    train = targets["train"]
    if bool((train == train[:1]).all()):
        raise DataError(
            f"At least one label{_of(part)} must have both values, each of "
            f"{', '.join(target.names[:5])} is the same in all {len(train)} training samples."
        )


def _check_numbers(targets: Mapping[str, Tensor], target: Target, part: str) -> None:
    train = targets["train"]
    same = (train == train[:1]).all(0).nonzero().flatten().tolist()
    if same:
        names = ", ".join(repr(target.names[column]) for column in same)
        raise DataError(
            f"A target{_of(part)} must vary to be learnt, {names} is {float(train[0, same[0]]):g} "
            f"in all {len(train)} training samples (as float32). Leave a constant column out."
        )


def _of(part: str) -> str:
    return f" of {part!r}" if part else ""
