"""fisher: what the loss would lose with each channel."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from archloom.zerocost._probe import Probe


def fisher(probe: Probe) -> float:
    """Sum over channels of the Fisher pruning saliency, weighted by the channel's weights.

    The saliency is half the mean over the samples of (sum over positions of activation times
    gradient)^2, at the output of each convolution and fully connected layer: Theis et al.,
    "Faster gaze prediction with dense networks and Fisher pruning" (arXiv 1801.05787, equation
    9), as Turner et al., "BlockSwap" (arXiv 1906.04113) and arXiv 2101.08134 use it. As there, a
    channel counts once for each weight that makes it.

    >>> import torch
    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, 1.0)
    >>> probe = Probe(model, torch.tensor([[3.0, 4.0]]), torch.zeros(1), lambda y, _: y.sum())
    >>> fisher(probe)  # activation 7, gradient 1, half of 49; two weights make the channel
    49.0
    """
    return sum(_layer(layer, products) for layer, products in probe.loss_pass.channels)


def _layer(layer: nn.Module, products: Tensor) -> float:
    weight = cast(Tensor, layer.weight)
    per_channel = weight.numel() / products.shape[1]
    return float(products.pow(2).mean(0).mul(0.5).sum()) * per_channel
