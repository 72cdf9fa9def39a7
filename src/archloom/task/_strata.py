"""Strata: what a split should hold the same share of in every part."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from archloom.task._classes import Classes
from archloom.task._mixed import Mixed
from archloom.task._multilabel import Labels
from archloom.task._numbers import Numbers
from archloom.task._target import Target

_BINS = 10


def strata(targets: Tensor, target: Target, parts: int = 2) -> np.ndarray:
    """Give each sample a number, so that parts with equal shares of each number are alike.

    Classes are their own strata. Labels go by the rarest that a sample has, as in the first step
    of Sechidis et al. 2011. Numbers go by up to ten bins of equal counts, several columns by the
    mean of their ranks. Mixed targets go by their first classes, else by their first part.

    >>> import torch
    >>> from archloom.task import Numbers
    >>> strata(torch.arange(8.0).reshape(8, 1), Numbers(("x",)))
    array([0, 0, 1, 1, 2, 2, 3, 3])
    """
    match target:
        case Classes():
            indices: np.ndarray = targets.cpu().numpy()
            return indices
        case Labels():
            return _by_rarest(targets.cpu().numpy())
        case Numbers():
            return _by_rank(targets.cpu().numpy(), parts)
        case Mixed():
            name = next(
                (name for name, part in target.parts.items() if isinstance(part, Classes)),
                next(iter(target.parts)),
            )
            return strata(target.split_targets(targets)[name], target.parts[name], parts)
    return np.zeros(len(targets), dtype=np.int64)


def _by_rarest(labels: np.ndarray) -> np.ndarray:
    frequency = labels.sum(0)
    cost = np.where(labels > 0, frequency, np.inf)
    found: np.ndarray = np.where(labels.any(1), cost.argmin(1), labels.shape[1])
    return found


def _by_rank(values: np.ndarray, parts: int) -> np.ndarray:
    ranks = values.argsort(0, kind="stable").argsort(0, kind="stable").mean(1)
    order = ranks.argsort(kind="stable").argsort(kind="stable")
    bins = max(1, min(_BINS, len(values) // max(2, parts)))
    found: np.ndarray = order * bins // max(1, len(values))
    return found
