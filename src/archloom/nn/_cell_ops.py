"""The operations of cells by the names that the papers use, and the convolutions around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import torch
from torch import nn
from torch.fx import GraphModule

from archloom.errors import ConfigError, did_you_mean
from archloom.nn._graph import concat
from archloom.nn._wired import wired

Make = Callable[[], nn.Module]


def zero(stride: int = 1) -> GraphModule:
    """Give a module whose output is zeros: the operation `none`, an edge that is not there.

    >>> zero(2)(torch.ones(1, 8, 5, 5)).shape, float(zero()(torch.ones(1)))
    (torch.Size([1, 8, 3, 3]), 0.0)
    """
    if stride == 1:
        module = wired(lambda self, x: torch.zeros_like(x), {}, name="Zero")
    else:
        module = wired(
            lambda self, x: torch.zeros_like(x[:, :, ::stride, ::stride]), {}, name="Zero"
        )
    module.meta["gives_zeros"] = True
    return module


def relu_conv_norm(
    before: int, after: int, kernel: int, stride: int = 1, padding: int | None = None
) -> nn.Sequential:
    """Give ReLU, a convolution that keeps the size (up to the stride), and batch normalisation."""
    conv = nn.Conv2d(
        before,
        after,
        kernel,
        stride=stride,
        padding=kernel // 2 if padding is None else padding,
        bias=False,
    )
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(after))


def halved(before: int, after: int) -> nn.Sequential:
    """Give the factorized reduction: two 1x1 convolutions of step 2, the second one pixel on.

    Together they see every fourth pixel's neighbour on the diagonal, too, so that no information
    is lost to the step alone. The original works for even sizes only; here the shifted map is
    padded by a line of zeros, which changes nothing for even sizes and rounds odd ones up.

    >>> halved(4, 6)(torch.zeros(1, 4, 7, 8)).shape
    torch.Size([1, 6, 4, 4])
    """
    first = nn.Conv2d(before, after // 2, 1, stride=2, bias=False)
    second = nn.Conv2d(before, after - after // 2, 1, stride=2, bias=False)
    shifted = nn.Sequential(nn.ZeroPad2d((-1, 1, -1, 1)), second)
    return nn.Sequential(nn.ReLU(), concat(first, shifted), nn.BatchNorm2d(after))


def _separable(kernel: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *_depthwise_pointwise(kernel, channels, stride),
        *_depthwise_pointwise(kernel, channels, 1),
    )


def _dilated(kernel: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*_depthwise_pointwise(kernel, channels, stride, 2))


def _depthwise_pointwise(
    kernel: int, channels: int, stride: int, dilation: int = 1
) -> list[nn.Module]:
    depthwise = nn.Conv2d(
        channels,
        channels,
        kernel,
        stride=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        groups=channels,
        bias=False,
    )
    pointwise = nn.Conv2d(channels, channels, 1, bias=False)
    return [nn.ReLU(), depthwise, pointwise, nn.BatchNorm2d(channels)]


def _in_two(kernel: int, channels: int, stride: int) -> nn.Sequential:
    """Give a 1xk and a kx1 convolution, each of which takes the step along its own side."""
    rows = nn.Conv2d(
        channels, channels, (1, kernel), (1, stride), padding=(0, kernel // 2), bias=False
    )
    columns = nn.Conv2d(
        channels, channels, (kernel, 1), (stride, 1), padding=(kernel // 2, 0), bias=False
    )
    return nn.Sequential(nn.ReLU(), rows, columns, nn.BatchNorm2d(channels))


def _conv(kernel: int, channels: int, stride: int) -> nn.Sequential:
    return relu_conv_norm(channels, channels, kernel, stride)


def _avg_pool(kernel: int, channels: int, stride: int) -> nn.Module:
    return nn.AvgPool2d(kernel, stride, padding=kernel // 2, count_include_pad=False)


def _max_pool(kernel: int, channels: int, stride: int) -> nn.Module:
    return nn.MaxPool2d(kernel, stride, padding=kernel // 2)


def _skip(channels: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 else halved(channels, channels)


def _none(channels: int, stride: int) -> nn.Module:
    return zero(stride)


OPERATIONS: Final[Mapping[str, Callable[[int, int], nn.Module]]] = {
    "none": _none,
    "skip_connect": _skip,
    "max_pool_3x3": partial(_max_pool, 3),
    "max_pool_5x5": partial(_max_pool, 5),
    "max_pool_7x7": partial(_max_pool, 7),
    "avg_pool_3x3": partial(_avg_pool, 3),
    "avg_pool_5x5": partial(_avg_pool, 5),
    "sep_conv_3x3": partial(_separable, 3),
    "sep_conv_5x5": partial(_separable, 5),
    "sep_conv_7x7": partial(_separable, 7),
    "dil_conv_3x3": partial(_dilated, 3),
    "dil_conv_5x5": partial(_dilated, 5),
    "nor_conv_1x1": partial(_conv, 1),
    "nor_conv_3x3": partial(_conv, 3),
    "conv_1x3_3x1": partial(_in_two, 3),
    "conv_7x1_1x7": partial(_in_two, 7),
}
"""What makes each operation, given the channels and the stride."""

DARTS_OPERATIONS: Final = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
)
"""The operations of the DARTS space without `none`; its first architecture takes the first."""

NASBENCH201_OPERATIONS: Final = (
    "nor_conv_3x3",
    "nor_conv_1x1",
    "skip_connect",
    "avg_pool_3x3",
    "none",
)
"""The operations of NAS-Bench-201; a space's first architecture takes the first of them."""


def operations(
    names: Sequence[str], channels: int, stride: int = 1, *, pool_norm: bool = False
) -> dict[str, Make]:
    """Give what `pick.layer` takes: what makes each of the named operations.

    Args:
        names: keys of `OPERATIONS`.
        channels: of the map that comes in and of the one that goes out.
        stride: 2 halves the map.
        pool_norm: whether poolings are followed by batch normalisation without scale and shift.

    Raises:
        ConfigError: for a name that is not known.
    """
    for name in names:
        if name not in OPERATIONS:
            raise ConfigError(
                f"There is no operation {name!r} for cells: {did_you_mean(name, OPERATIONS)}."
            )
    return {name: partial(_made, name, channels, stride, pool_norm) for name in names}


def _made(name: str, channels: int, stride: int, pool_norm: bool) -> nn.Module:
    module = OPERATIONS[name](channels, stride)
    if pool_norm and "pool" in name:
        return nn.Sequential(module, nn.BatchNorm2d(channels, affine=False))
    return module
