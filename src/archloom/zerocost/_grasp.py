"""grasp: whether the gradient would keep flowing without a weight."""

from __future__ import annotations

import torch
from torch import Tensor

from archloom.zerocost._probe import Probe


def grasp(probe: Probe) -> float:
    """Minus the sum over all weights of weight times (Hessian times gradient) of the loss.

    Wang, Zhang and Grosse, "Picking Winning Tickets Before Training by Preserving Gradient Flow"
    (arXiv 2002.07376, equation 8), summed over the network as in arXiv 2101.08134, equation 1.
    Needs second derivatives of everything in the model.

    >>> from torch import nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, 2.0)
    >>> probe = Probe(model, torch.tensor([[3.0]]), torch.zeros(1), lambda y, _: (y**2).sum())
    >>> grasp(probe)  # the loss is 9 w^2: gradient 36, Hessian 18
    -1296.0
    """
    weights = probe.weights
    loss = probe.loss(probe.call(probe.inputs), probe.targets)
    if not loss.requires_grad or not weights:
        return 0.0
    found = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    flows = [(gradient.detach() * gradient).sum() for gradient in found if gradient is not None]
    total = sum(flows, torch.zeros((), device=loss.device))
    if not total.requires_grad:  # the loss is linear in the weights
        return 0.0
    products = torch.autograd.grad(total, weights, allow_unused=True)
    return -sum(
        float((weight.detach() * product).sum())
        for weight, product in zip(weights, products, strict=True)
        if isinstance(product, Tensor)
    )
