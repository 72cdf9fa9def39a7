"""What runs between two batch norms, for several lanes at a time.

A lane is a chain of ReLU, depthwise and pointwise convolution and batch norm. `wide` maps have the
channels of several lanes side by side; the lanes of a column, which are all alike, may be divided
among several of them. Each function here has its gradients written out, in products that
accumulate in place; gradients of gradients go through a plain formulation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

from archloom.oneshot._fused_depthwise import (
    convolved,
    depthwise,
    input_gradient,
    kernel_gradient,
    side_by_side,
)
from archloom.oneshot._fused_products import inner, transformed, transformed_onto

Column: TypeAlias = tuple[tuple[Tensor, ...], Tensor, Tensor]
"""Wide maps; products of channels (lanes, channels, channels) and sums (lanes, channels)."""


def opened(
    x: Tensor, kernels: Sequence[Tensor], shares: tuple[int, ...], stride: int
) -> list[Column]:
    """Convolve one map for several columns of lanes.

    Args:
        x: (samples, height, width, channels).
        kernels: (lanes * channels, 1, size, size) for each column, depthwise.
        shares: how many lanes each wide map shall have.
        stride: of the convolutions.

    Returns:
        For each column the wide maps, and for each lane the sums over all pixels of products of
        channels, and of channels.
    """
    found = _Opened.apply(x, *kernels, shares, stride)  # type: ignore[no-untyped-call]
    step = len(shares) + 2
    columns = [found[start : start + step] for start in range(0, len(found), step)]
    return [(tuple(maps), products, sums) for *maps, products, sums in columns]


def continued(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor, kernels: Tensor, shares: tuple[int, ...]
) -> Column:
    """Run each lane through a pointwise convolution, ReLU, and a depthwise convolution.

    Args:
        maps: wide ones.
        weight: (lanes, new channels, channels).
        bias: (lanes, new channels).
        kernels: (lanes * new channels, 1, size, size).
        shares: how many lanes each of `maps` has.
    """
    *found, products, sums = _Continued.apply(weight, bias, kernels, shares, *maps)  # type: ignore[no-untyped-call]
    return tuple(found), products, sums


def moments(wide: Tensor, lanes: int) -> tuple[Tensor, Tensor]:
    """Give the moments of a wide map's lanes, as `opened` does."""
    split = wide.reshape(-1, lanes, wide.shape[3] // lanes).transpose(0, 1)
    return torch.bmm(split.transpose(1, 2), split), split.sum(1)


class _Opened(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *given: Any) -> tuple[Tensor, ...]:
        *kernels, shares, stride = given
        repeated = {share: side_by_side(x, share) for share in set(shares)}
        columns = [
            [
                convolved(repeated[share], part, stride)
                for share, part in zip(shares, _parts(kernel, x, shares), strict=True)
            ]
            for kernel in kernels
        ]
        ctx.save_for_backward(x, *kernels, *(wide for maps in columns for wide in maps))
        ctx.shares, ctx.stride = shares, stride
        ctx.set_materialize_grads(False)
        return tuple(part for maps in columns for part in (*maps, *_moments(maps, shares)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        x, *rest = ctx.saved_tensors
        shares, stride = ctx.shares, ctx.stride
        number = len(gradients) // (len(shares) + 2)
        kernels, maps = rest[:number], rest[number:]
        if torch.is_grad_enabled():

            def plain(x: Tensor, *kernels: Tensor) -> list[Tensor]:
                return _plain_opened(x, kernels, shares, stride)

            into, *slopes = again(plain, [x, *kernels], gradients)
            return into, *slopes, None, None
        repeated = {share: side_by_side(x, share) for share in set(shares)}
        wide_into: dict[int, Tensor] = {}
        slopes = []
        for column, kernel in enumerate(kernels):
            first, step = column * len(shares), len(shares) + 2
            own = maps[first : first + len(shares)]
            joined = _joined(own, gradients[column * step : (column + 1) * step], shares)
            found = []
            for share, part, gradient in zip(
                shares, _parts(kernel, x, shares), joined, strict=True
            ):
                if wanted(ctx, 0):
                    slope = input_gradient(repeated[share], part, gradient, stride)
                    so_far = wide_into.get(share)
                    wide_into[share] = slope if so_far is None else so_far.add_(slope)
                if wanted(ctx, 1 + column):
                    found.append(kernel_gradient(repeated[share], part, gradient, stride))
            slopes.append(torch.cat(found) if found else None)
        return _narrow(wide_into), *slopes, None, None


class _Continued(Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor,
        kernels: Tensor,
        shares: tuple[int, ...],
        *maps: Tensor,
    ) -> tuple[Tensor, ...]:
        middles, results = [], []
        for wide, matrices, shifts, part in _split(maps, weight, bias, kernels, shares):
            middles.append(_rectified(wide, matrices, shifts))
            results.append(convolved(middles[-1], part))
        ctx.save_for_backward(weight, bias, kernels, *maps, *middles, *results)
        ctx.shares = shares
        ctx.set_materialize_grads(False)
        return *results, *_moments(results, shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        weight, bias, kernels, *rest = ctx.saved_tensors
        shares: tuple[int, ...] = ctx.shares
        maps, middles, results = (
            rest[at * len(shares) : (at + 1) * len(shares)] for at in range(3)
        )
        if torch.is_grad_enabled():

            def plain(weight: Tensor, bias: Tensor, kernels: Tensor, *maps: Tensor) -> Any:
                return _plain_continued(weight, bias, kernels, shares, *maps)

            found = again(plain, [weight, bias, kernels, *maps], gradients)
            return *found[:3], None, *found[3:]
        intos, matrices, shifts, slopes = [], [], [], []
        for (wide, own, shift, part), middle, gradient in zip(
            _split(maps, weight, bias, kernels, shares),
            middles,
            _joined(results, gradients, shares),
            strict=True,
        ):
            if wanted(ctx, 2):
                slopes.append(kernel_gradient(middle, part, gradient, 1))
            gradient = input_gradient(middle, part, gradient, 1).contiguous()
            gradient = torch.ops.aten.threshold_backward(gradient, middle, 0)
            intos.append(transformed(gradient, own))
            matrices.append(inner(gradient, wide, len(own)))
            shifts.append(gradient.sum((0, 1, 2)).view_as(shift))
        found = torch.cat(matrices), torch.cat(shifts), torch.cat(slopes) if slopes else None
        return *found, None, *intos


def wanted(ctx: Any, place: int) -> bool:
    """Say whether the backward pass that runs needs the gradient of an argument.

    `needs_input_grad` tells what it was in the forward pass; a step of the architecture asks for
    the gradients of its parameters only. Tensors must come first among the arguments.
    """
    node = ctx.next_functions[place][0] if ctx.needs_input_grad[place] else None
    return node is not None and bool(torch._C._will_engine_execute_node(node))


def again(
    plain: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
) -> tuple[Tensor | None, ...]:
    """Give gradients that are themselves differentiable, from the plain formulation."""
    # Views, so that the gradient stops at them and does not run on through their history.
    fresh = [x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs]
    pairs = [(y, g) for y, g in zip(plain(*fresh), gradients, strict=True) if g is not None]
    return torch.autograd.grad(
        [y for y, _ in pairs], fresh, [g for _, g in pairs], create_graph=True, allow_unused=True
    )


def _parts(kernels: Tensor, x: Tensor, shares: Sequence[int]) -> tuple[Tensor, ...]:
    """Divide kernels of lanes that read `x` among wide maps."""
    return torch.split(kernels, [share * x.shape[3] for share in shares])


def _narrow(wides: Mapping[int, Tensor]) -> Tensor | None:
    """Add up the lanes of wide maps with so many lanes."""
    total: Tensor | None = None
    for lanes, wide in wides.items():
        own = wide if lanes == 1 else wide.view(*wide.shape[:3], lanes, -1).sum(3)
        total = own if total is None else total.add_(own)
    return total


def _split(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor, kernels: Tensor, shares: Sequence[int]
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Give each wide map with the weights, biases and kernels of its lanes."""
    parts = torch.split(kernels, [share * weight.shape[1] for share in shares])
    sizes = list(shares)
    matrices, shifts = torch.split(weight, sizes), torch.split(bias, sizes)
    return list(zip(maps, matrices, shifts, parts, strict=True))


def _rectified(wide: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return transformed(wide, weight.transpose(1, 2).contiguous(), bias).relu_()


def _moments(maps: Sequence[Tensor], shares: Sequence[int]) -> tuple[Tensor, Tensor]:
    pairs = list(zip(maps, shares, strict=True))
    products = [inner(wide, wide, lanes) for wide, lanes in pairs]
    sums = [wide.sum((0, 1, 2)).view(lanes, -1) for wide, lanes in pairs]
    return torch.cat(products), torch.cat(sums)


def _joined(
    maps: Sequence[Tensor], gradients: Sequence[Tensor | None], shares: Sequence[int]
) -> list[Tensor]:
    """Add the gradients that come through the moments to the maps' own, in place."""
    *own, products, sums = gradients
    # What comes back was made by the gradients of fans and is met by nobody else.
    found = [
        torch.zeros_like(wide) if gradient is None else gradient.contiguous()
        for wide, gradient in zip(maps, own, strict=True)
    ]
    if products is not None:
        both = products + products.transpose(1, 2)
        for gradient, wide, part in zip(found, maps, torch.split(both, list(shares)), strict=True):
            transformed_onto(gradient, wide, part)
    if sums is not None:
        for gradient, part in zip(found, torch.split(sums, list(shares)), strict=True):
            gradient += part.reshape(-1)
    return found


def _plain_opened(
    x: Tensor, kernels: Sequence[Tensor], shares: Sequence[int], stride: int
) -> list[Tensor]:
    results: list[Tensor] = []
    for kernel in kernels:
        maps = [
            depthwise(side_by_side(x, share), part, stride)
            for share, part in zip(shares, _parts(kernel, x, shares), strict=True)
        ]
        results += [*maps, *_plain_moments(maps, shares)]
    return results


def _plain_continued(
    weight: Tensor, bias: Tensor, kernels: Tensor, shares: Sequence[int], *maps: Tensor
) -> tuple[Tensor, ...]:
    results = []
    for wide, matrices, shifts, part in _split(maps, weight, bias, kernels, shares):
        split = wide.view(*wide.shape[:3], len(matrices), -1)
        middle = torch.einsum("nhwlc,loc->nhwlo", split, matrices) + shifts
        results.append(depthwise(middle.relu().flatten(3), part))
    return *results, *_plain_moments(results, shares)


def _plain_moments(maps: Sequence[Tensor], shares: Sequence[int]) -> tuple[Tensor, Tensor]:
    found = [moments(wide, lanes) for wide, lanes in zip(maps, shares, strict=True)]
    return torch.cat([p for p, _ in found]), torch.cat([s for _, s in found])
