"""plain: weight times gradient, with its sign."""

from __future__ import annotations

from archloom.zerocost._probe import Probe


def plain(probe: Probe) -> float:
    """Sum over all weights of weight times gradient of the loss.

    The baseline "plain" of arXiv 2101.08134 (Mozer and Smolensky 1989, "Skeletonization"). A
    weight that is followed by batch normalisation can be scaled without a change, so its sum is
    zero up to rounding: in such networks only the few others speak, and the score is mostly noise.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, -2.0)
    >>> probe = Probe(model, torch.tensor([[3.0, 4.0]]), torch.zeros(1), lambda y, _: y.sum())
    >>> plain(probe)
    -14.0
    """
    pairs = zip(probe.weights, probe.loss_pass.gradients, strict=True)
    return sum(float((weight.detach() * gradient).sum()) for weight, gradient in pairs)
