"""params: how many parameters there are."""

from __future__ import annotations

from archloom.zerocost._probe import Probe


def params(probe: Probe) -> float:
    """Number of parameters: with FLOPs the baseline that every other score must beat.

    >>> import torch
    >>> from torch import nn
    >>> params(Probe(nn.Linear(2, 3), torch.ones(1, 2), torch.zeros(1), lambda y, _: y.sum()))
    9.0
    """
    return float(sum(parameter.numel() for parameter in probe.model.parameters()))
