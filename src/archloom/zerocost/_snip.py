"""snip: how much the loss hangs on each connection."""

from __future__ import annotations

from archloom.zerocost._probe import Probe


def snip(probe: Probe) -> float:
    """Sum over all weights of |weight times gradient of the loss|.

    The saliency of Lee et al., "SNIP" (arXiv 1810.02340, equation 4: the gradient by a mask of
    ones is weight times gradient), summed over the network as in arXiv 2101.08134, equation 1.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, -2.0)
    >>> probe = Probe(model, torch.tensor([[3.0, 4.0]]), torch.zeros(1), lambda y, _: y.sum())
    >>> snip(probe)
    14.0
    """
    pairs = zip(probe.weights, probe.loss_pass.gradients, strict=True)
    return sum(float((weight.detach() * gradient).abs().sum()) for weight, gradient in pairs)
