"""grad_norm: the size of the loss's gradient at the start."""

from __future__ import annotations

from archloom.zerocost._probe import Probe


def grad_norm(probe: Probe) -> float:
    """Sum of the Euclidean norms of the loss's gradients by each weight.

    Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS" (arXiv 2101.08134), section 3.1.1:
    a norm for each layer, summed.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(2, 1, bias=False)
    >>> probe = Probe(model, torch.tensor([[3.0, 4.0]]), torch.zeros(1), lambda y, _: y.sum())
    >>> grad_norm(probe)
    5.0
    """
    return sum(float(gradient.norm()) for gradient in probe.loss_pass.gradients)
