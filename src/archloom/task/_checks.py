"""What must hold for the splits of every task, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from archloom.errors import DataError
from archloom.task._data import Split, leaves


def are_classes(targets: Tensor) -> bool:
    """Say whether the targets are class indices: one whole number a sample."""
    return targets.ndim == 1 and not targets.is_floating_point()


def check_splits(splits: Mapping[str, Split], classes: int, class_names: Sequence[str]) -> None:
    """Raise `DataError` unless the splits can be trained on and judged together."""
    for name, split in splits.items():
        _check_lengths(name, split)
        _check_alike(name, split, splits["train"])
        if are_classes(split.targets):
            _check_range(name, split.targets, classes)
        elif not bool(torch.isfinite(split.targets).all()):
            raise DataError(f"Targets must be finite numbers, those of {name} are not.")
    if len(class_names) != classes:
        raise DataError(f"{classes} classes need as many names, got {len(class_names)}.")
    if are_classes(splits["train"].targets):
        _check_classes(splits, classes, class_names)


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


def _check_range(name: str, targets: Tensor, classes: int) -> None:
    bad = ((targets < 0) | (targets >= classes)).nonzero().flatten()
    if len(bad):
        raise DataError(
            f"Labels of {classes} classes lie between 0 and {classes - 1}, got "
            f"{int(targets[bad[0]])} in {name} at index {int(bad[0])} ({len(bad)} such)."
        )


def _check_classes(splits: Mapping[str, Split], classes: int, class_names: Sequence[str]) -> None:
    counts = {n: torch.bincount(s.targets, minlength=classes) for n, s in splits.items()}
    present = counts["train"] > 0
    if int(present.sum()) < 2:
        only = class_names[int(present.nonzero()[0])]
        raise DataError(
            f"Training needs at least two classes, all {len(splits['train'])} training labels are "
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
