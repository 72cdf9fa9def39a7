"""jacob_cov: whether the network tells samples apart at the start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archloom.zerocost._probe import Probe
from archloom.zerocost._score import NO_SCORE

_K = 1e-5


def jacob_cov(probe: Probe) -> float:
    """How little the inputs' gradients of different samples correlate.

    Minus the sum over the eigenvalues v of the correlation matrix of the samples' gradients of
    log(v + k) + 1 / (v + k), k = 1e-5. Samples that the network cannot tell apart make eigenvalues
    near 0. Mellor et al., "Neural Architecture Search without Training" (arXiv 2006.04647v1,
    section 3), as in arXiv 2101.08134. For n samples the largest value is near -n. Values of
    different minibatch sizes cannot be compared.

    >>> import torch
    >>> from torch import nn
    >>> batch = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> probe = Probe(nn.Linear(3, 1), batch, torch.zeros(2), lambda y, _: y.sum())
    >>> jacob_cov(probe) < -1e4  # a linear model has one gradient for all samples
    True
    """
    correlation = correlations(probe.jacobian.numpy())
    if not np.isfinite(correlation).all():
        return NO_SCORE
    values = np.linalg.eigvalsh(np.atleast_2d(correlation)) + _K
    if (values <= 0).any():  # rounding, of samples that cannot be told apart at all
        values = np.maximum(values, np.finfo(np.float32).eps)
    return float(-np.sum(np.log(values) + 1.0 / values))


def correlations(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the correlation matrix of rows, NaN where a row is constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.corrcoef(rows.astype(np.float64)), dtype=np.float64)
