"""inspect_data: what is odd about the data, found before any search."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from archloom.task._data import Split, leaves
from archloom.task._known import Moments, known_name
from archloom.task._task import Task

_RARE = 0.02  # share of the samples, below which a class or label is called rare
_CHUNK = 4096
_FEW = 16  # validation samples, below which one of them moves an accuracy by more than 0.06


@dataclass(frozen=True)
class Finding:
    """Something about the data that the user should know.

    `severity` is `warning` where results would mislead (the same samples on both sides of a
    split), `notice` where they are only harder to get. `kind` names the check.
    """

    kind: str
    severity: Literal["warning", "notice"]
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}"

    def to_json(self) -> dict[str, str]:
        """Give a dict that `json.dumps` takes."""
        return {"kind": self.kind, "severity": self.severity, "message": self.message}


def inspect_data(task: Task) -> list[Finding]:
    """Check the data of a task: duplicates, balance, empty channels, a known set by another name.

    Every sample is hashed, so that copies are found within and across splits; nothing of the
    test split but its hashes and the sum of its values is used. Data are read in chunks.

    >>> from archloom.task import digits, from_arrays
    >>> inspect_data(digits())
    []
    >>> task = digits()
    >>> copied = from_arrays(
    ...     task.train.inputs, task.train.targets, valid=(task.train.inputs, task.train.targets)
    ... )
    >>> print(inspect_data(copied)[0])
    warning: The validation split holds 1079 of its 1079 samples in the training split as well...
    """
    splits = {"train": task.train, "valid": task.valid}
    if task._test is not None:
        splits["test"] = task._test
    hashes = {name: sample_hashes(split) for name, split in splits.items()}
    return [
        *_across(hashes),
        *_within(task, hashes["train"]),
        *_few(task),
        *_balance(task),
        *_constant(task),
        *_known(task, splits),
        *(Finding("source", "notice", notice) for notice in task.notices),
    ]


def sample_hashes(split: Split) -> list[bytes]:
    """Give a hash of each sample's inputs; equal samples have equal hashes.

    >>> split = Split(torch.tensor([[1.0], [2.0], [1.0]]), torch.zeros(3))
    >>> first, second, third = sample_hashes(split)
    >>> first == third, first == second
    (True, False)
    """
    members = [tensor for _, tensor in leaves(split.inputs)]
    return [
        hashlib.blake2b(b"".join(parts), digest_size=12).digest()
        for parts in zip(*map(_rows, members), strict=True)
    ]


def _rows(tensor: Tensor) -> Iterator[bytes]:
    for chunk in torch.split(tensor, _CHUNK):
        plain = chunk.detach().cpu().contiguous()
        flat = plain.reshape(len(plain), -1).view(torch.uint8).numpy()
        for row in flat:
            yield row.tobytes()


_SPLITS = {"train": "training", "valid": "validation", "test": "test"}


def _across(hashes: Mapping[str, list[bytes]]) -> Iterator[Finding]:
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if second not in hashes:
            continue
        known = set(hashes[first])
        shared = sum(digest in known for digest in hashes[second])
        if not shared:
            continue
        yield Finding(
            "shared",
            "warning",
            f"The {_SPLITS[second]} split holds {shared} of its {len(hashes[second])} samples in "
            f"the {_SPLITS[first]} split as well: what is scored on it is partly remembered. "
            f"Remove the copies, or keep samples that belong together on one side (groups=).",
        )


def _within(task: Task, hashes: list[bytes]) -> Iterator[Finding]:
    counts = Counter(hashes)
    copies = len(hashes) - len(counts)
    if not copies:
        return
    targets: dict[bytes, set[Any]] = {}
    for digest, target in zip(hashes, task.train.targets.tolist(), strict=True):
        if counts[digest] > 1:
            targets.setdefault(digest, set()).add(str(target))
    torn = sum(len(values) > 1 for values in targets.values())
    more = f", and {torn} of the repeated ones have different targets" if torn else ""
    yield Finding(
        "repeated",
        "warning" if torn else "notice",
        f"{copies} of the {len(hashes)} training samples repeat others{more}.",
    )


def _few(task: Task) -> Iterator[Finding]:
    count = len(task.valid)
    if count < _FEW:
        yield Finding(
            "few",
            "warning",
            f"Only {count} validation sample{' chooses' if count == 1 else 's choose'} among all "
            f"that is tried, which is little more than chance: keep more of the data for it "
            f"(valid=0.3), or cross-validate (folds=5).",
        )


def _balance(task: Task) -> Iterator[Finding]:
    targets = task.train.targets
    if task.target.kind == "classes":
        counts = torch.bincount(targets, minlength=task.classes)
    elif task.target.kind == "labels":
        counts = torch.nan_to_num(targets).sum(0).long()
    else:
        return
    total, what = len(targets), "class" if task.target.kind == "classes" else "label"
    single = [name for name, n in zip(task.class_names, counts.tolist(), strict=True) if n == 1]
    if single:
        yield Finding(
            "single",
            "warning",
            f"{_listed(single)} has a single training sample: it cannot be learnt or judged. "
            f"Merge it with another {what}, or leave it out.",
        )
    rare = [
        f"{name} ({n})"
        for name, n in zip(task.class_names, counts.tolist(), strict=True)
        if n != 1 and n < _RARE * total
    ]
    if rare:
        yield Finding(
            "balance",
            "notice",
            f"Rare among {total} training samples: {_listed(rare)}. The accuracy hardly sees "
            f"them; objective='balanced_accuracy' or class_weights='balanced' does.",
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(str, names[:5]))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _constant(task: Task) -> Iterator[Finding]:
    for member, tensor in leaves(task.train.inputs):
        if not tensor.is_floating_point() and tensor.dtype != torch.uint8:
            continue
        low, high = _extremes(tensor)
        flat = (low == high).nonzero().flatten().tolist()
        if flat:
            what = "feature" if tensor.ndim == 2 else "channel"
            shown = _listed([f"{index} (always {float(low[index]):g})" for index in flat])
            yield Finding(
                "constant",
                "notice",
                f"The inputs{member} hold {len(flat)} constant {what}"
                f"{'s' if len(flat) > 1 else ''}, which carry nothing: {shown}.",
            )


def _extremes(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Give the smallest and the largest value of each channel."""
    axes = tuple(axis for axis in range(tensor.ndim) if axis != 1)
    lows, highs = [], []
    for chunk in torch.split(tensor, _CHUNK):
        lows.append(chunk.amin(axes))
        highs.append(chunk.amax(axes))
    return torch.stack(lows).amin(0), torch.stack(highs).amax(0)


def _known(task: Task, splits: Mapping[str, Split]) -> Iterator[Finding]:
    if not isinstance(task.train.inputs, Tensor):
        return
    groups = [("train",), ("test",), ("train", "valid"), ("train", "valid", "test")]
    found = known_name(
        Moments.of(splits[name].inputs for name in group)  # type: ignore[misc]
        for group in groups
        if all(name in splits for name in group)
    )
    called = f"{task.name} {(task.source or {}).get('name', '')}"
    if found is not None and _plain(found) not in _plain(called):
        yield Finding(
            "known",
            "warning" if task.name != "arrays" else "notice",
            f"These samples are those of {found}, whatever they are called here "
            f"({task.name!r}): compare results with what is published for {found}.",
        )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
