"""What runs between two batch norms, for several lanes at a time.

A lane is a chain of ReLU, depthwise and pointwise convolution and batch norm; `wide` maps have
the channels of several lanes side by side. Each function here has its gradients written out, in
products that accumulate in place; gradients of gradients go through a plain formulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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


def opened(x: Tensor, kernels: Tensor, lanes: int, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Convolve one map for several lanes.

    Args:
        x: (samples, height, width, channels).
        kernels: (lanes * channels, 1, size, size), depthwise.
        lanes: how many.
        stride: of the convolutions.

    Returns:
        The wide map, and each lane's sums of products of channels (lanes, channels, channels) and
        sums (lanes, channels).
    """
    found: tuple[Tensor, Tensor, Tensor] = _Opened.apply(x, kernels, lanes, stride)  # type: ignore[no-untyped-call]
    return found


def continued(
    wide: Tensor, weight: Tensor, bias: Tensor, kernels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run each lane through a pointwise convolution, ReLU, and a depthwise convolution.

    What is between the convolutions is not kept, but computed again for the gradients.

    Args:
        wide: (samples, height, width, lanes * channels).
        weight: (lanes, new channels, channels).
        bias: (lanes, new channels).
        kernels: (lanes * new channels, 1, size, size).

    Returns:
        As `opened`.
    """
    found: tuple[Tensor, Tensor, Tensor] = _Continued.apply(wide, weight, bias, kernels)  # type: ignore[no-untyped-call]
    return found


class _Opened(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Tensor, lanes: int, stride: int) -> Any:
        wide = convolved(side_by_side(x, lanes), kernels, stride)
        ctx.save_for_backward(x, kernels, wide)
        ctx.lanes, ctx.stride = lanes, stride
        ctx.set_materialize_grads(False)
        return wide, *_moments(wide, lanes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *moments: Tensor | None) -> Any:
        x, kernels, wide = ctx.saved_tensors
        lanes, stride = ctx.lanes, ctx.stride
        if torch.is_grad_enabled():

            def plain(x: Tensor, kernels: Tensor) -> tuple[Tensor, ...]:
                wide = depthwise(side_by_side(x, lanes), kernels, stride)
                return wide, *_plain_moments(wide, lanes)

            return *_again(plain, [x, kernels], [gradient, *moments]), None, None
        gradient = _joined(wide, gradient, *moments)
        into = kernel = None
        repeated = side_by_side(x, lanes)
        if wanted(ctx, 0):
            into = input_gradient(repeated, kernels, gradient, stride)
            if lanes > 1:
                into = into.unflatten(3, (lanes, -1)).sum(3)
        if wanted(ctx, 1):
            kernel = kernel_gradient(repeated, kernels, gradient, stride)
        return into, kernel, None, None


class _Continued(Function):
    @staticmethod
    def forward(ctx: Any, wide: Tensor, weight: Tensor, bias: Tensor, kernels: Tensor) -> Any:
        result = convolved(_rectified(wide, weight, bias), kernels)
        ctx.save_for_backward(wide, weight, bias, kernels, result)
        ctx.set_materialize_grads(False)
        return result, *_moments(result, len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *moments: Tensor | None) -> Any:
        wide, weight, bias, kernels, result = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _again(_plain_continued, [wide, weight, bias, kernels], [gradient, *moments])
        gradient = _joined(result, gradient, *moments)
        middle = _rectified(wide, weight, bias)
        kernel = None
        if wanted(ctx, 3):
            kernel = kernel_gradient(middle, kernels, gradient, 1)
        gradient = input_gradient(middle, kernels, gradient, 1).contiguous()
        gradient = torch.ops.aten.threshold_backward(gradient, middle, 0)
        into, matrices = torch.empty_like(wide), torch.empty_like(weight)
        lanes = len(weight)
        for own, part, place, matrix, slot in zip(
            *(_lanes(x, lanes) for x in (gradient, wide, into)), weight, matrices, strict=True
        ):
            torch.mm(own, matrix, out=place)
            torch.mm(own.t(), part, out=slot)
        return into, matrices, gradient.sum((0, 1, 2)).view_as(bias), kernel


def wanted(ctx: Any, place: int) -> bool:
    """Say whether the backward pass that runs needs the gradient of an argument.

    `needs_input_grad` tells what it was in the forward pass; a step of the architecture asks for
    the gradients of its parameters only.
    """
    node = ctx.next_functions[place][0] if ctx.needs_input_grad[place] else None
    return node is not None and bool(torch._C._will_engine_execute_node(node))


def _rectified(wide: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    lanes, channels, _ = weight.shape
    result = wide.new_empty(*wide.shape[:3], lanes * channels)
    for part, place, matrix, shift in zip(
        _lanes(wide, lanes), _lanes(result, lanes), weight, bias, strict=True
    ):
        torch.addmm(shift, part, matrix.t(), out=place)
    return result.relu_()


def _moments(wide: Tensor, lanes: int) -> tuple[Tensor, Tensor]:
    parts = _lanes(wide, lanes)
    channels = parts[0].shape[1]
    products = wide.new_empty(lanes, channels, channels)
    for part, product in zip(parts, products, strict=True):
        torch.mm(part.t(), part, out=product)
    return products, wide.sum((0, 1, 2)).view(lanes, channels)


def _joined(
    wide: Tensor, gradient: Tensor | None, products: Tensor | None, sums: Tensor | None
) -> Tensor:
    """Add the gradients that come through the moments to a map's own, in place."""
    # What comes back was made by the gradients in this file and is met by nobody else.
    gradient = torch.zeros_like(wide) if gradient is None else gradient.contiguous()
    if products is not None:
        both = products + products.transpose(1, 2)
        lanes = len(both)
        for own, part, product in zip(
            _lanes(gradient, lanes), _lanes(wide, lanes), both, strict=True
        ):
            own.addmm_(part, product)
    if sums is not None:
        gradient += sums.flatten()
    return gradient


def _lanes(wide: Tensor, lanes: int) -> Sequence[Tensor]:
    """Give each lane as a matrix (pixels, channels)."""
    return wide.view(-1, wide.shape[3]).chunk(lanes, 1)


def _plain_continued(
    wide: Tensor, weight: Tensor, bias: Tensor, kernels: Tensor
) -> tuple[Tensor, ...]:
    lanes = len(weight)
    middle = torch.einsum("nhwlc,loc->nhwlo", wide.unflatten(3, (lanes, -1)), weight) + bias
    result = depthwise(middle.relu().flatten(3), kernels)
    return result, *_plain_moments(result, lanes)


def _plain_moments(wide: Tensor, lanes: int) -> tuple[Tensor, Tensor]:
    split = wide.reshape(-1, lanes, wide.shape[3] // lanes)
    return torch.einsum("plc,pld->lcd", split, split), split.sum(0)


def _again(
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


def moments(wide: Tensor, lanes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Give a wide map again, and its moments as `opened` does."""
    return wide, *_plain_moments(wide, lanes)
