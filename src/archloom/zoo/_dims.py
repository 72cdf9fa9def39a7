"""Layers for data of one to three dimensions, and weights to begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn

CONVS: Final[tuple[Any, ...]] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS: Final[tuple[Any, ...]] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAX_POOLS: Final[tuple[Any, ...]] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVG_POOLS: Final[tuple[Any, ...]] = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
GLOBAL_AVG: Final[tuple[Any, ...]] = (
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
)
GLOBAL_MAX: Final[tuple[Any, ...]] = (
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
)
ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


def halved(size: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """Give the size of a map after a step of that stride, rounded up."""
    return tuple(-(-side // step) for side, step in zip(size, stride, strict=True))


def halving(size: tuple[int, ...]) -> tuple[int, ...]:
    """Give the stride that halves a map, but no side of 1 or 2."""
    return tuple(2 if side > 2 else 1 for side in size)


def pooled(kinds: tuple[Any, ...], stride: tuple[int, ...]) -> nn.Module:
    """Give a pooling of that window and step, which rounds sizes up as a convolution does."""
    pool: nn.Module = kinds[len(stride) - 1](stride, stride, ceil_mode=True)
    return pool


def excitation(channels: int, dims: int, reduction: int = 8) -> nn.Module:
    """Give the weights of squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507)."""
    conv, squeezed = CONVS[dims - 1], max(channels // reduction, 4)
    return nn.Sequential(
        GLOBAL_AVG[dims - 1](1),
        conv(channels, squeezed, 1),
        nn.ReLU(),
        conv(squeezed, channels, 1),
        nn.Sigmoid(),
    )


def initialised(model: nn.Module) -> None:
    """Draw the convolutions of a model as its ReLU-like activations want them (He et al. 2015)."""
    for module in model.modules():
        if isinstance(module, CONVS):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def zeroed(norm: nn.Module) -> nn.Module:
    """Let a norm begin at zero, so that its residual block begins as the identity.

    Goyal et al. 2017, arXiv:1706.02677.
    """
    nn.init.zeros_(norm.weight)  # type: ignore[arg-type]
    return norm
