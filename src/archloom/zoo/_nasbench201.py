"""The NAS-Bench-201 space (Dong and Yang 2020, https://arxiv.org/abs/2001.00326)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from archloom.architecture import Architecture
from archloom.nn import Pick, model_space, residual
from archloom.nn.cells import (
    NASBENCH201_OPERATIONS,
    canonical_nasbench201,
    nasbench201_cell,
    relu_conv_norm,
    to_nasbench201,
)
from archloom.zoo._images import checked_image, checked_size, stem_stride


def _canonical(architecture: Architecture) -> str:
    return canonical_nasbench201(to_nasbench201(architecture))


@model_space(name="archloom.zoo:nasbench201", canonical=_canonical)
def nasbench201(
    pick: Pick,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int = 16,
    cells: int = 5,
    operations: Sequence[str] = NASBENCH201_OPERATIONS,
) -> nn.Sequential:
    """Give the network of NAS-Bench-201: three stages of one cell, decided by 6 operations.

    With the default settings it is the benchmark's network: 15,625 architectures, whose parameters
    and multiply-adds are those of its tables. The cell (`cell.edge0to1`, ...) is the same
    everywhere; between the stages a residual block doubles the channels and halves the map.
    Images from 48 pixels on have a stem with a step, which the benchmark does not know; maps of
    odd size are rounded up when they are halved.

    Args:
        pick: answers the choices.
        shape: of an image: (channels, height, width).
        classes: how many numbers to give a sample.
        width: channels of the first stage.
        cells: how many of them a stage has.
        operations: what an edge may be, see `archloom.nn.cells.OPERATIONS`.

    >>> from archloom.zoo import nasbench201
    >>> model = nasbench201.build(nasbench201.space.default())
    >>> nasbench201.space.size, sum(weight.numel() for weight in model.parameters())
    (15625, 1531546)
    """
    channels, height, sidelong = checked_image("nasbench201", shape)
    for name, value in (("width", width), ("cells", cells)):
        checked_size("nasbench201", name, value)
    stride = stem_stride(height, sidelong)
    stem = nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width)
    )
    cell = pick.at("cell")
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    for stage in range(3):
        wide = width * 2**stage
        if stage:
            layers[f"down{stage}"] = _down(wide // 2, wide)
        layers[f"stage{stage}"] = nn.Sequential(
            *(nasbench201_cell(cell, wide, names=operations) for _ in range(cells))
        )
    layers["head"] = nn.Sequential(
        nn.BatchNorm2d(4 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )
    return nn.Sequential(layers)


def _down(before: int, after: int) -> nn.Module:
    """Give the residual block of step 2."""
    body = nn.Sequential(relu_conv_norm(before, after, 3, 2), relu_conv_norm(after, after, 3))
    shortcut = nn.Sequential(
        nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False)
    )
    return residual(body, shortcut)
