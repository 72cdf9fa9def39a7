"""Residual networks for images and volumes of any size: the space that the doors search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from torch import nn

from archloom.errors import ConfigError
from archloom.nn import Pick, concat, model_space
from archloom.zoo._dims import (
    ACTIVATIONS,
    GLOBAL_AVG,
    GLOBAL_MAX,
    MAX_POOLS,
    halved,
    halving,
    initialised,
    pooled,
)
from archloom.zoo._images import stem_stride
from archloom.zoo._stage import Conv, Stage

_WORK: Final = (8, 2, 4, 15)
_LARGE: Final = 1500
_LARGE_WORK: Final = tuple(4 * work for work in _WORK)
_BLOCKS: Final = ("basic", "inverted", "convnext")


@model_space(name="archloom.zoo:convnet")
def convnet(pick: Pick, shape: tuple[int, ...] = (1, 28, 28), classes: int = 10) -> nn.Sequential:
    """Give two to four stages of one to three residual blocks, for images and volumes of any size.

    A stage has blocks of one kind: `basic` (He et al. 2016, arXiv:1512.03385), `inverted`
    (MobileNetV2, arXiv:1801.04381) or `convnext` (arXiv:2201.03545, with batch normalisation, and
    kernels of 3 and 5 in place of 7), with squeeze-and-excitation (arXiv:1709.01507) or without.
    Shortcuts that change shape pool by average (ResNet-D, arXiv:1812.01187); each residual branch
    begins at zero (arXiv:1706.02677).

    Every stage but the first halves the map; the first, on the largest map, has basic blocks, since
    depthwise convolutions are slow there (EfficientNetV2, arXiv:2104.00298). Halving is done by
    max pooling, after a convolution that widens the map or without, or by stride.

    Widths are not chosen, they follow: `work` is what a stage may cost a sample, in millions
    of multiply-adds, and its width is the largest multiple of 8 that stays within it. So a deeper
    stage is a thinner one, members cost about the same at every image size (up to 60 million, or
    240 where more than 1,500 values a channel are left after the stem, as in volumes), and one
    choice trades accuracy for time. What costs time on a CPU but few multiply-adds counts as
    well, as measured in training: a number that is normalised and activated as 50 of them, and
    those of a depthwise convolution 16-fold.

    Args:
        pick: answers the choices.
        shape: (channels, height, width), or (channels, depth, height, width) of volumes.
        classes: how many numbers to give a sample.

    >>> from archloom.zoo import convnet
    >>> model = convnet(shape=(3, 32, 48), classes=2).build(convnet.space.default())
    >>> model[-1].out_features
    2
    """
    channels, size = _checked(shape)
    dims = len(size)
    activation = ACTIVATIONS[pick.value("activation", ["relu", "silu"])]
    down = pick.value("down", ["pool", "conv", "stride"])
    head = pick.value("head", ["average", "average+maximum"])
    dropout = pick.value("dropout", [0.0, 0.2, 0.5])
    step = (_stem_stride(size),) * dims
    kernel = max(3, 2 * step[0] - 1)
    size = halved(size, step)
    work = pick.value("work", _LARGE_WORK if math.prod(size) > _LARGE else _WORK) * 1e6
    early = halving(size) if _may_pool(pick, size) else ()
    size = halved(size, early) if early else size
    stem: list[nn.Module] = []

    def stage(pick: Pick, index: int) -> nn.Module:
        nonlocal channels, size
        plan = Stage(
            kind=pick.value("block", _BLOCKS) if index else "basic",
            kernel=pick.value("kernel", [3, 5]),
            depth=pick.value("depth", [1, 2, 3]),
            excited=pick.value("excited", [False, True]),
            size=size,
            stride=halving(size) if index else (1,) * dims,
            down=down,
        )
        before, channels = (
            channels,
            plan.width(channels if index else None, work, most=64 * 2**index),
        )
        if index == 0:
            stem[:] = [Conv(before, channels, kernel, step).module(activation)]
            before = channels
        size = plan.size_after
        return plan.module(before, channels, activation)

    body = pick.repeat("stages", stage, 2, 4)
    model = nn.Sequential(*stem)
    if early:
        model.append(pooled(MAX_POOLS, early))
    model.extend([body, *_head(head, dims)])
    features = channels * (1 if head == "average" else 2)
    model.extend([nn.Dropout(dropout), nn.Linear(features, classes)])
    initialised(model)
    return model


def _checked(shape: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise ConfigError(
            f"convnet needs images of shape (channels, height, width) or volumes of shape "
            f"(channels, depth, height, width), got {tuple(shape)}. For series take series_net, "
            f"for tables table_net."
        )
    return shape[0], tuple(shape[1:])


def _stem_stride(size: tuple[int, ...]) -> int:
    """Give the step of the first convolution; a volume has more values than an image."""
    if len(size) == 2:
        return stem_stride(*size)
    smaller = min(size)
    return 1 if smaller < 20 else 2 if smaller < 64 else 4


def _may_pool(pick: Pick, size: tuple[int, ...]) -> bool:
    return min(size) >= 8 and pick.value("stem", ["pooled", "full"]) == "pooled"


def _head(kind: str, dims: int) -> list[nn.Module]:
    average = GLOBAL_AVG[dims - 1](1)
    if kind == "average":
        return [average, nn.Flatten()]
    return [concat(average, GLOBAL_MAX[dims - 1](1)), nn.Flatten()]
