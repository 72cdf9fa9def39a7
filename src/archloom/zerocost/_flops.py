"""flops: how much there is to compute."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from archloom.task import map_tensors
from archloom.zerocost._probe import Probe


def flops(probe: Probe) -> float:
    """Floating point operations of one sample, counted as `archloom.estimators.Cost` does.

    A multiplication and an addition are two; matrix products, convolutions and attention count.

    >>> from torch import nn
    >>> flops(Probe(nn.Linear(2, 3), torch.ones(1, 2), torch.zeros(1), lambda y, _: y.sum()))
    12.0
    """
    sample = map_tensors(lambda tensor: tensor[:1], probe.inputs)
    probe.model.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            probe.call(sample)
    finally:
        probe.model.train()
    return float(counter.get_total_flops())
