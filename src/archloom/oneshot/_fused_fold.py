"""Batch norms of many lanes, folded into the pointwise convolutions before them.

What batch norm makes of W d is linear in d once the mean and the variance of W d are known, and
these follow from the mean m and the covariance V of d: W m, and the diagonal of W V W'. So W d
is never computed before it is normalised, and normalising costs no pass over the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from archloom.oneshot._fused_plan import Unit
from archloom.oneshot._fused_stages import again


def folded(
    units: Sequence[Unit], products: Tensor, sums: Tensor, pixels: int, scale: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Fold batch norms, and a weight for each lane, into the pointwise convolutions before them.

    Running statistics are updated as the norms would do it.

    Args:
        units: one for each lane, of as many channels and alike in the settings of their norms.
        products: (lanes, channels, channels): sums over all pixels of products of channels of
            what goes into the pointwise convolutions.
        sums: (lanes, channels): likewise of the channels themselves.
        pixels: how many there are.
        scale: (lanes,): what each lane's result is multiplied by.

    Returns:
        Weights (lanes, new channels, channels) and biases (lanes, new channels).
    """
    norms = [unit.norm for unit in units]
    weight = torch.stack([unit.pointwise.weight for unit in units]).flatten(2)
    factor = _factor(norms, weight, scale)
    eps = norms[0].eps
    if norms[0].training:
        weight, bias, mean, variance = _Folded.apply(  # type: ignore[no-untyped-call]
            *(products, sums, weight, factor, pixels, eps)
        )
        update(norms, mean, variance, pixels)
    else:
        inverse = factor * torch.stack([running(norm)[1] for norm in norms]).add(eps).rsqrt()
        weight = inverse.unsqueeze(2) * weight
        bias = -inverse * torch.stack([running(norm)[0] for norm in norms])
    if any(norm.affine for norm in norms):
        zero = torch.zeros_like(bias[0])
        shift = torch.stack([norm.bias if norm.affine else zero for norm in norms])
        bias = bias + (shift if scale is None else shift * scale.unsqueeze(1))
    return weight, bias


def _factor(norms: Sequence[nn.BatchNorm2d], weight: Tensor, scale: Tensor | None) -> Tensor:
    one = weight.new_ones(weight.shape[1])
    affine = any(norm.affine for norm in norms)
    own = torch.stack([norm.weight if norm.affine else one for norm in norms]) if affine else one
    if scale is None:
        return own.expand(len(norms), -1)
    return own * scale.unsqueeze(1)


class _Folded(Function):
    @staticmethod
    def forward(
        ctx: Any,
        products: Tensor,
        sums: Tensor,
        weight: Tensor,
        factor: Tensor,
        pixels: int,
        eps: float,
    ) -> Any:
        before = sums / pixels
        mean = torch.bmm(weight, before.unsqueeze(2)).squeeze(2)
        covariance = torch.baddbmm(
            products, before.unsqueeze(2), before.unsqueeze(1), beta=1 / pixels, alpha=-1
        )
        half = torch.bmm(weight, covariance)
        variance = (half * weight).sum(2).clamp_min_(0)
        inverse = (variance + eps).rsqrt_()
        scale = factor * inverse
        ctx.save_for_backward(
            products, sums, weight, factor, before, mean, half, variance, inverse, scale
        )
        ctx.pixels, ctx.eps = pixels, eps
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return scale.unsqueeze(2) * weight, -scale * mean, mean, variance

    @staticmethod
    def backward(ctx: Any, matrices: Tensor, shifts: Tensor, *_: None) -> Any:
        products, sums, weight, factor, before, mean, half, variance, inverse, scale = (
            ctx.saved_tensors
        )
        if torch.is_grad_enabled():

            def plain(
                products: Tensor, sums: Tensor, weight: Tensor, factor: Tensor
            ) -> tuple[Tensor, Tensor]:
                return _plain_folded(products, sums, weight, factor, ctx.pixels, ctx.eps)

            inputs = [products, sums, weight, factor]
            return *again(plain, inputs, [matrices, shifts]), None, None
        of_scale = (matrices * weight).sum(2) - shifts * mean
        of_mean = -scale * shifts
        of_variance = of_scale * factor * inverse.pow(3) * (-0.5) * (variance > 0)
        of_weight = scale.unsqueeze(2) * matrices
        of_weight += (2 * of_variance).unsqueeze(2) * half
        of_weight += of_mean.unsqueeze(2) * before.unsqueeze(1)
        turned = weight.transpose(1, 2)
        of_covariance = torch.bmm(turned, of_variance.unsqueeze(2) * weight)
        of_before = torch.bmm(turned, of_mean.unsqueeze(2))
        of_before -= 2 * torch.bmm(of_covariance, before.unsqueeze(2))
        return (
            of_covariance / ctx.pixels,
            of_before.squeeze(2) / ctx.pixels,
            of_weight,
            of_scale * inverse,
            None,
            None,
        )


def _plain_folded(
    products: Tensor, sums: Tensor, weight: Tensor, factor: Tensor, pixels: int, eps: float
) -> tuple[Tensor, Tensor]:
    before = sums / pixels
    covariance = products / pixels - before.unsqueeze(2) * before.unsqueeze(1)
    variance = (torch.bmm(weight, covariance) * weight).sum(2).clamp_min(0)
    scale = factor * (variance + eps).rsqrt()
    mean = torch.bmm(weight, before.unsqueeze(2)).squeeze(2)
    return scale.unsqueeze(2) * weight, -scale * mean


@torch.no_grad()
def update(norms: Sequence[nn.BatchNorm2d], mean: Tensor, variance: Tensor, pixels: int) -> None:
    """Update the running statistics of norms.

    Args:
        norms: alike in their settings.
        mean: (norms, channels), or (channels,) for all of them.
        variance: likewise, of all pixels (divided by their number).
        pixels: how many there were.
    """
    unbiased = variance * (pixels / max(pixels - 1, 1))
    number = len(norms)
    means = list(mean.unbind(0)) if mean.dim() == 2 else [mean] * number
    variances = list(unbiased.unbind(0)) if mean.dim() == 2 else [unbiased] * number
    share = norms[0].momentum
    counts = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]
    assert share is not None  # those with cumulative averages are never recognised
    torch._foreach_lerp_([running(norm)[0] for norm in norms], means, share)
    torch._foreach_lerp_([running(norm)[1] for norm in norms], variances, share)
    torch._foreach_add_(counts, 1)


def running(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Give the running mean and variance."""
    assert norm.running_mean is not None  # those without are never recognised
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var
