"""Depthwise convolutions whose gradients are as fast as their forward pass.

Maps are (samples, height, width, channels) here, which is what torch calls `channels_last`.
A `wide` map has the channels of several lanes, convolutions of one kind, side by side.

On a CPU, torch computes the weight gradient of a depthwise convolution in about the time of its
forward pass where the kernel is at most 3 wide, and in 15 times it for 5. Hence a 5x5 gradient is
put together from two of 5x3 on shifted maps. The gradient of the input is a convolution with the
kernel turned around.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

_backward = torch.ops.aten.convolution_backward.default


def depthwise(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve a map with a depthwise kernel, padded to keep the size up to the stride.

    Differentiable any number of times.

    Args:
        x: (samples, height, width, channels).
        weight: (channels, 1, kernel, kernel), the kernel being odd.
        stride: for both sides.

    Returns:
        (samples, height / stride, width / stride, channels), sizes rounded up.

    >>> depthwise(torch.ones(1, 3, 3, 2), torch.ones(2, 1, 3, 3))[0, 0]
    tensor([[4., 4.],
            [6., 6.],
            [4., 4.]])
    """
    result: Tensor = _Depthwise.apply(x, weight, stride)  # type: ignore[no-untyped-call]
    return result


def convolved(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Give what `depthwise` gives, without its gradients."""
    pad = weight.shape[-1] // 2
    return torch.conv2d(
        x.permute(0, 3, 1, 2), weight, None, stride, pad, 1, weight.shape[0]
    ).permute(0, 2, 3, 1)


def input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> Tensor:
    """Give the gradient of `depthwise` with respect to its map."""
    if stride == 1:
        return convolved(gradient, weight.flip(2, 3))
    return _native(x, weight, gradient, stride, True)


def kernel_gradient(x: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> Tensor:
    """Give the gradient of `depthwise` with respect to its kernel."""
    slow = weight.shape[-1] == 5 and stride == 1
    if slow and x.device.type == "cpu" and x.dtype == torch.float32:
        return _of_two(x, gradient)
    return _native(x, weight, gradient, stride, False)


def side_by_side(x: Tensor, lanes: int) -> Tensor:
    """Give each lane its copy of a map.

    >>> side_by_side(torch.tensor([[[[1.0, 2.0]]]]), 2).flatten()
    tensor([1., 2., 1., 2.])
    """
    if lanes == 1:
        return x
    n, h, w, c = x.shape
    return x.unsqueeze(3).expand(n, h, w, lanes, c).reshape(n, h, w, lanes * c)


def phases(x: Tensor) -> Tensor:
    """Take every second pixel of every second line: four sub-maps, which follow each other.

    A convolution with dilation 2 is a plain one on each of them. Odd sizes are padded by zeros.

    >>> phases(torch.arange(16.0).view(1, 4, 4, 1))[1].squeeze()
    tensor([[ 1.,  3.],
            [ 9., 11.]])
    """
    n, h, w, c = x.shape
    if h % 2 or w % 2:
        x = functional.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        h, w = h + h % 2, w + w % 2
    split = x.view(n, h // 2, 2, w // 2, 2, c).permute(2, 4, 0, 1, 3, 5)
    return split.reshape(4 * n, h // 2, w // 2, c)


def unphased(x: Tensor, height: int, width: int) -> Tensor:
    """Put sub-maps together again; undoes `phases` for a map of that size.

    >>> x = torch.randn(2, 5, 6, 3)
    >>> torch.equal(unphased(phases(x), 5, 6), x)
    True
    """
    n, h, w, c = x.shape
    whole = x.view(2, 2, n // 4, h, w, c).permute(2, 3, 0, 4, 1, 5)
    return whole.reshape(n // 4, 2 * h, 2 * w, c)[:, :height, :width]


class _Depthwise(Function):
    """`depthwise`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return convolved(x, weight, stride)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        into = kernel = None
        if ctx.stride != 1:
            wanted = ctx.needs_input_grad
            into = _native(x, weight, gradient, ctx.stride, True) if wanted[0] else None
            kernel = _native(x, weight, gradient, ctx.stride, False) if wanted[1] else None
            return into, kernel, None
        if ctx.needs_input_grad[0]:
            into = depthwise(gradient, weight.flip(2, 3))
        if ctx.needs_input_grad[1]:
            kernel = _KernelGradient.apply(x, weight, gradient)  # type: ignore[no-untyped-call]
        return into, kernel, None


class _KernelGradient(Function):
    """`kernel_gradient` for stride 1, differentiable in turn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(x, gradient)
        return kernel_gradient(x, weight, gradient, 1)

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> tuple[Tensor | None, ...]:
        x, gradient = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        into = depthwise(gradient, change.flip(2, 3)) if wanted[0] else None
        return into, None, depthwise(x, change) if wanted[2] else None


def _native(x: Tensor, weight: Tensor, gradient: Tensor, stride: int, into: bool) -> Tensor:
    """Give one of torch's own gradients."""
    pad = weight.shape[-1] // 2
    images = gradient.permute(0, 3, 1, 2), x.permute(0, 3, 1, 2)
    found = _backward(
        *(*images, weight, None, [stride] * 2, [pad] * 2, [1, 1]),
        *(False, [0, 0], weight.shape[0], [into, not into, False]),
    )
    gradient = found[0].permute(0, 2, 3, 1) if into else found[1]
    return gradient


def _of_two(x: Tensor, gradient: Tensor) -> Tensor:
    """Put the 5x5 gradient together from two of 5x3, which overlap in the middle.

    Lines get a margin of one pixel. What lies two pixels off the end of a line is then the margin
    of the next one, zero too, so that a shifted map is the same memory, read from another place.
    """
    if x.shape[1] < 5:  # where torch's 5x3 is slow, too
        more = (0, 0, 0, 0, 0, 5 - x.shape[1])
        x, gradient = functional.pad(x, more), functional.pad(gradient, more)
    n, h, w, c = x.shape
    shape = (n, h, w + 2, c)
    size = n * h * (w + 2) * c
    memory = x.new_zeros(size + 2 * c)
    memory[c : c + size].view(shape)[:, :, 1:-1] = x
    image, empty = gradient.permute(0, 3, 1, 2), x.new_empty(c, 1, 5, 3)
    kernel = x.new_empty(c, 1, 5, 5)
    for start in (0, 2):
        strides = (h * (w + 2) * c, 1, (w + 2) * c, c)
        shifted = memory.as_strided((n, c, h, w + 2), strides, start * c)
        found = _backward(
            *(image, shifted, empty, None, [1, 1], [2, 0], [1, 1]),
            *(False, [0, 0], c, [False, True, False]),
        )[1]
        kernel[..., start : start + 3] = found
    return kernel
