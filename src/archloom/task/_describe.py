"""What a task says about itself: hints for spaces, a description, a fingerprint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archloom.task._classes import Classes
from archloom.task._custom import Custom
from archloom.task._data import Split, leaves, map_tensors
from archloom.task._kinds import input_kind
from archloom.task._mapped import row_slices

if TYPE_CHECKING:
    from archloom.task._task import Task


def hints_of(task: Task) -> dict[str, Any]:
    """Give the settings that a model space may want; see `Task.hints`."""
    hints: dict[str, Any] = {"classes": task.classes, "outputs": task.classes}
    shapes = map_tensors(lambda tensor: list(tensor.shape[1:]), task.train.inputs)
    hints["shape"] = shapes
    if not isinstance(task.train.inputs, Tensor):
        hints["kinds"] = task.kinds
    else:
        if len(shapes) > 1:
            hints["channels"] = shapes[0]
        hints["features"] = math.prod(shapes)
    if task.vocabulary is not None:
        hints["vocabulary"] = task.vocabulary
    return hints | dict(getattr(task.encoder, "hints", {}))


def vocabulary_of(kinds: Any, splits: list[Split]) -> Any:
    """Give one more than the largest token number of each text, None where there is no text."""

    def count(kind: str, *tensors: Tensor) -> int | None:
        return 1 + max(int(tensor.max()) for tensor in tensors) if kind == "text" else None

    counts = map_tensors(count, kinds, *(split.inputs for split in splits))
    return counts if any(one is not None for _, one in leaves(counts)) else None


def watched_metric(task: Task) -> str:
    """Give the target's main metric, the loss where it is not defined on the validation data."""
    main = task.target.main
    if main not in task.metrics:
        return "accuracy" if "accuracy" in task.metrics else "loss"
    if task.target.kind != "labels":
        return main
    zeros = torch.zeros(len(task.valid), task.target.outputs, device=task.device)
    return "loss" if task.metrics[main](zeros, task.valid.targets) is None else main


def description(task: Task) -> dict[str, Any]:
    """Give sizes, shape, kind, target and how often each class or label occurs, as JSON."""
    counts = {"train": _class_counts(task, task.train), "valid": _class_counts(task, task.valid)}
    return {
        "name": task.name,
        "kind": task.kind,
        "train": len(task.train),
        "valid": len(task.valid),
        "test": task.test_size,
        "shape": task.hints["shape"],
        "dtype": map_tensors(lambda t: str(t.dtype).removeprefix("torch."), task.train.inputs),
        "target": task.target.to_json(),
        "classes": task.classes,
        "class_names": list(task.class_names),
        "class_counts": counts if counts["train"] else {},
        "augment_ops": list(task.augment_ops),
        "fingerprint": task.fingerprint,
    }


def _class_counts(task: Task, split: Split) -> list[int]:
    """How often each class occurs, or how many samples have each label; else empty."""
    match task.target.kind:
        case "classes":
            return torch.bincount(split.targets, minlength=task.classes).tolist()
        case "labels":
            return split.targets.sum(0).long().tolist()
    return []


def fingerprint_of(task: Task, splits: Mapping[str, Split | None]) -> str:
    """Give a hash of every value, shape, dtype and label, and of what is predicted.

    Of plain classes it is the same that version 0.1 gave, so that its runs go on.
    """
    digest = hashlib.sha256(repr(task.class_names).encode())
    if not isinstance(task.target, Custom) and task.target != Classes(task.class_names):
        digest.update(json.dumps(task.target.to_json(), sort_keys=True).encode())
    guessed: Any = map_tensors(input_kind, task.train.inputs)
    if task.kinds != guessed:
        digest.update(f"kind {task.kinds}".encode())
    if task.groups is not None:
        digest.update(f"groups {task.groups.tolist()}".encode())
    for name, split in splits.items():
        digest.update(name.encode())
        if split is not None:
            for chunk in _chunks(split):
                digest.update(chunk)
    return digest.hexdigest()[:32]


def _chunks(split: Split) -> Iterator[Any]:
    for member, tensor in [*leaves(split.inputs), ("targets", split.targets)]:
        yield f"{member} {tensor.dtype} {tuple(tensor.shape)}".encode()
        for cut in row_slices(tensor):
            plain = tensor[cut].detach().cpu().contiguous().reshape(-1)
            yield plain.view(torch.uint8).numpy().data
