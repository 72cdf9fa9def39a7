"""l2_norm: how large the weights are."""

from __future__ import annotations

from archloom.zerocost._probe import Probe


def l2_norm(probe: Probe) -> float:
    """Sum of the Euclidean norms of the weights, the baseline of NAS-Bench-Suite-Zero.

    Krishnakumar et al., "NAS-Bench-Suite-Zero" (arXiv 2210.03230), table 1. With the usual
    initialisations it counts layers and their widths. Needs no data.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = model.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
    >>> l2_norm(Probe(model, torch.ones(1, 2), torch.zeros(1), lambda y, _: y.sum()))
    5.0
    """
    return sum(float(weight.detach().norm()) for weight in probe.weights)
