"""The folds of a cross-validation: stratified, and with groups kept together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError
from archloom.task._data import Split
from archloom.task._seeds import mix
from archloom.task._split import group_numbers, grouped_parts
from archloom.task._strata import strata
from archloom.task._target import Target


def fold_numbers(targets: Tensor, target: Target, k: int, seed: int, groups: Any = None) -> Tensor:
    """Give the fold that validates each sample, from 0 to k - 1, or -1 for one that never is.

    Every stratum is dealt out evenly, so that folds differ by one sample at most. Samples of a
    class that has no other member, or no other group, always train.

    Raises:
        ConfigError: for fewer than two folds.
        DataError: when there are fewer samples, or groups, than folds.

    >>> from archloom.task import Classes
    >>> fold_numbers(torch.tensor([0, 0, 0, 0, 1, 1]), Classes(("a", "b")), 2, seed=0).bincount()
    tensor([3, 3])
    """
    if k < 2:
        raise ConfigError(f"A cross-validation needs at least two folds, got {k}.")
    known = strata(targets, target, parts=k)
    if groups is None:
        return torch.from_numpy(_dealt(known, target, k, seed))
    numbers = group_numbers(groups, len(targets))
    part = grouped_parts(known, numbers, [1 / k] * k, seed, classes=target.kind == "classes")
    return torch.from_numpy(part)


def fold_parts(pooled: Split, held: Tensor, groups: Any) -> dict[str, Any]:
    """Give the splits of a fold, and the group of each of its pooled samples."""
    rest, part = (~held).nonzero().flatten(), held.nonzero().flatten()
    if groups is not None:
        groups = torch.from_numpy(group_numbers(groups, len(held)))[torch.cat([rest, part])]
    return {"train": pooled.take(rest), "valid": pooled.take(part), "groups": groups}


def _dealt(known: np.ndarray, target: Target, k: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(mix(seed, 6))
    folds = np.full(len(known), -1, dtype=np.int64)
    dealt = 0
    for stratum in np.unique(known):
        members = rng.permutation(np.flatnonzero(known == stratum))
        if target.kind == "classes" and len(members) == 1:
            continue
        folds[members] = (dealt + np.arange(len(members))) % k
        dealt += len(members)
    if dealt < k:
        raise DataError(
            f"{k} folds need at least as many samples, got {dealt}"
            f"{' in classes of two or more' if target.kind == 'classes' else ''}: give fewer folds."
        )
    return folds
