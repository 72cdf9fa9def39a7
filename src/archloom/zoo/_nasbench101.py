"""The NAS-Bench-101 space (Ying et al. 2019, https://arxiv.org/abs/1902.09635)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from archloom.architecture import Architecture
from archloom.nn import Pick, model_space
from archloom.nn.cells import nasbench101_cell, nasbench101_hash, to_nasbench101
from archloom.zoo._images import checked_image, checked_size, stem_stride


def _canonical(architecture: Architecture) -> str:
    return nasbench101_hash(*to_nasbench101(architecture))


@model_space(name="archloom.zoo:nasbench101", canonical=_canonical)
def nasbench101(
    pick: Pick,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int = 128,
    cells: int = 3,
) -> nn.Sequential:
    """Give the network of NAS-Bench-101: three stacks of three equal cells.

    With the default settings it is the benchmark's network, with every one of its 423,624 cells
    (`cell.vertices`, ...; see `archloom.nn.cells.nasbench101_cell`). Between the stacks the
    channels are doubled and the map is halved by max pooling. Batch normalisation has torch's
    momentum, not the benchmark's 0.997, which lags in short trainings. Images from 48 pixels on
    have a stem with a step, which the benchmark does not know.

    Args:
        pick: answers the choices.
        shape: of an image: (channels, height, width).
        classes: how many numbers to give a sample.
        width: channels of the first stack.
        cells: how many of them a stack has.

    >>> from archloom.zoo import nasbench101
    >>> nasbench101.build(nasbench101.space.default(), device="meta")[-1][-1]
    Linear(in_features=512, out_features=10, bias=True)
    """
    channels, height, sidelong = checked_image("nasbench101", shape)
    for name, value in (("width", width), ("cells", cells)):
        checked_size("nasbench101", name, value)
    stem = nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=stem_stride(height, sidelong), padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    before = width
    for stack in range(3):
        if stack:
            layers[f"down{stack}"] = nn.MaxPool2d(2, 2, ceil_mode=True)
        wide = width * 2**stack
        modules = []
        for _ in range(cells):
            modules.append(nasbench101_cell(pick.at("cell"), before, wide))
            before = wide
        layers[f"stack{stack}"] = nn.Sequential(*modules)
    layers["head"] = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes)
    )
    return nn.Sequential(layers)
