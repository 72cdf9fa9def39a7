"""Layers by name, for data of any number of dimensions, as YAML spaces use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from torch import nn

Shape: TypeAlias = tuple[int, ...]
"""Of one sample: (features,), or (channels, *sizes) with one to three sizes."""

ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module] | None]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "none": None,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
NORMS: Final = ("batch", "group", "instance", "layer", "none")
POOLS: Final = ("avg", "max", "none")

_CONVS: Final[tuple[Any, ...]] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS: Final[tuple[Any, ...]] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE_NORMS: Final[tuple[Any, ...]] = (
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
_POOLS: Final[Mapping[str, tuple[Any, ...]]] = {
    "avg": (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    "max": (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
}
_GLOBAL_POOLS: Final[Mapping[str, tuple[Any, ...]]] = {
    "avg": (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    "max": (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
}


def activation(kind: str) -> list[nn.Module]:
    """Give the activation, or nothing for "none"."""
    make = ACTIVATIONS[kind]
    return [make()] if make else []


def norm(kind: str, shape: Shape) -> list[nn.Module]:
    """Give the normalisation of what has that shape, or nothing for "none"."""
    channels, dims = shape[0], len(shape) - 1
    match kind:
        case "batch":
            return [_BATCH_NORMS[max(dims, 1) - 1](channels)]
        case "layer" if dims == 0:
            return [nn.LayerNorm(channels)]
        case "layer":
            return [nn.GroupNorm(1, channels)]
        case "group":
            groups = max(n for n in range(1, 9) if channels % n == 0)
            return [nn.GroupNorm(groups, channels)]
        case "instance" if dims > 0:
            return [_INSTANCE_NORMS[dims - 1](channels, affine=True)]
        case "instance":
            return [nn.LayerNorm(channels)]
        case _:
            return []


def dropout(rate: float) -> list[nn.Module]:
    """Give the dropout, or nothing for rate 0."""
    return [nn.Dropout(rate)] if rate > 0 else []


def conv(shape: Shape, channels: int, kernel: int, stride: int, bias: bool) -> nn.Module:
    """Give a convolution that keeps the sizes (divides them by the stride, rounded up)."""
    make = _CONVS[len(shape) - 2]
    module: nn.Module = make(
        shape[0], channels, kernel, stride=stride, padding=kernel // 2, bias=bias
    )
    return module


def separable(shape: Shape, channels: int, kernel: int, stride: int, bias: bool) -> list[nn.Module]:
    """Give a depthwise and then a pointwise convolution."""
    make = _CONVS[len(shape) - 2]
    width = shape[0]
    depthwise = make(
        width, width, kernel, stride=stride, padding=kernel // 2, groups=width, bias=False
    )
    return [depthwise, make(width, channels, 1, bias=bias)]


def pool(kind: str, shape: Shape, size: int) -> nn.Module:
    """Give a pooling whose window and step are `size`; sizes are divided, rounded down."""
    module: nn.Module = _POOLS[kind][len(shape) - 2](size)
    return module


def global_pool(kind: str, shape: Shape) -> list[nn.Module]:
    """Give the pooling of each channel to one number."""
    return [_GLOBAL_POOLS[kind][len(shape) - 2](1), nn.Flatten()]


def shortcut(before: Shape, after: Shape) -> nn.Module | None:
    """Give what makes `before` addable to `after`: nothing, a projection, or pooling and that."""
    if before == after:
        return None
    if len(after) == 1:
        flat = [nn.Flatten()] if len(before) > 1 else []
        return nn.Sequential(*flat, nn.Linear(_numbers(before), after[0]))
    strides = {-(-b // a) for b, a in zip(before[1:], after[1:], strict=True)}
    stride = strides.pop()
    if not strides and all(
        -(-b // stride) == a for b, a in zip(before[1:], after[1:], strict=True)
    ):
        return conv(before, after[0], 1, stride, True)
    shrink = _GLOBAL_POOLS["avg"][len(after) - 2](after[1:] if len(after) > 2 else after[1])
    return nn.Sequential(shrink, conv(before, after[0], 1, 1, True))


def _numbers(shape: Shape) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
