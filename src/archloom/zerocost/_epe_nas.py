"""epe_nas: whether gradients correlate within classes."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from archloom.zerocost._jacob_cov import correlations
from archloom.zerocost._probe import Probe
from archloom.zerocost._score import NO_SCORE

_K = 1e-5
_MANY = 100  # classes, from which on differences between classes count


def epe_nas(probe: Probe) -> float:
    """How little the inputs' gradients of samples of one class correlate, over all classes.

    For each class the sum of log(|c| + 1e-5) over the correlation matrix of its samples'
    gradients; their absolute values are added. With more than 100 classes the sums are divided
    by the class's samples, and the mean over classes of their absolute differences to all others
    is taken. Lopes et al., "EPE-NAS" (arXiv 2102.08099, equations 4 to 7) and the authors' code. A
    class with one sample in the minibatch has none to compare with and is left out, targets that
    are no class indices count as one class.

    >>> import torch
    >>> from torch import nn
    >>> batch = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> probe = Probe(nn.Linear(3, 2), batch, torch.tensor([1, 1]), nn.functional.cross_entropy)
    >>> round(epe_nas(probe), 4)  # one gradient for all: every |c| is 1
    0.0
    """
    jacobian, labels = probe.jacobian.numpy(), _labels(probe.targets)
    sums = []
    for label in np.unique(labels):
        rows = jacobian[labels == label]
        if len(rows) > 1:
            logs = np.log(np.abs(correlations(rows)) + _K)
            sums.append(float(logs.sum()) / (len(rows) if _classes(probe) > _MANY else 1))
    if not sums or not all(map(math.isfinite, sums)):
        return NO_SCORE
    if _classes(probe) > _MANY:
        values = np.array(sums)
        return float(np.abs(values[:, None] - values).sum() / len(sums))
    return float(np.abs(sums).sum())


def _labels(targets: Tensor) -> np.ndarray:
    if targets.ndim == 1 and not targets.is_floating_point():
        return np.asarray(targets.cpu().numpy())
    return np.zeros(len(targets), dtype=np.int64)


def _classes(probe: Probe) -> int:
    return int(_labels(probe.targets).max()) + 1
