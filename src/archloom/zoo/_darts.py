"""The DARTS space (Liu et al. 2019, https://arxiv.org/abs/1806.09055)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from torch import nn
from torch.fx import GraphModule

from archloom.errors import ConfigError, did_you_mean
from archloom.nn import Pick, model_space, wired
from archloom.nn.cells import DARTS_OPERATIONS, canonical_genotype, darts_cell
from archloom.zoo._images import checked_image, checked_size, stem_stride

Stem = Literal["auto", "cifar", "imagenet"]
_LARGE = 128


@model_space(name="archloom.zoo:darts", canonical=canonical_genotype)
def darts(
    pick: Pick,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int = 16,
    cells: int = 8,
    nodes: int = 4,
    operations: Sequence[str] = DARTS_OPERATIONS,
    ends: Literal["all", "loose"] = "all",
    pool_norm: bool = True,
    stem: Stem = "auto",
) -> GraphModule:
    """Give a network of DARTS cells: normal ones, and two that halve the map.

    The default settings are those of the paper's search: 8 cells of 16 channels; the normal cells
    are decided together (`normal.node2`, ...), the two reduction cells, a third and two thirds
    of the way down, together as well (`reduce.node2`, ...). The paper's final network for CIFAR-10
    is `darts(width=36, cells=20, pool_norm=False)`, for ImageNet `darts(shape=(3, 224, 224),
    classes=1000, width=48, cells=14, pool_norm=False)`. One architecture fits all of them.

    Left out are the paper's auxiliary classifier, which only training uses, and drop-path, which
    belongs to training. The operation `none`, which the paper offers while it searches and never
    takes, can be put among the `operations`.

    Args:
        pick: answers the choices.
        shape: of an image: (channels, height, width).
        classes: how many numbers to give a sample.
        width: channels of a state of the first cells.
        cells: how many.
        nodes: how many states each cell computes.
        operations: what an edge may be, see `archloom.nn.cells.OPERATIONS`.
        ends: what of a cell is concatenated, see `archloom.nn.cells.darts_cell`.
        pool_norm: whether poolings are followed by batch normalisation without scale and shift:
            the paper has it while it searches and not in the final network.
        stem: "cifar", one convolution (with a step from 48 pixels on), or "imagenet", three of
            step 2; "auto" takes the second from 128 pixels on.

    >>> from archloom.zoo import darts
    >>> darts.space.size == (180 * 7**8) ** 2
    True
    """
    channels, height, sidelong = checked_image("darts", shape)
    for name, value in (("width", width), ("cells", cells)):
        checked_size("darts", name, value)
    if stem not in get_args(Stem):
        raise ConfigError(f"darts has no stem {stem!r}: {did_you_mean(stem, get_args(Stem))}.")
    if stem == "auto":
        stem = "imagenet" if min(height, sidelong) >= _LARGE else "cifar"
    parts = (
        _imagenet_stem(channels, width)
        if stem == "imagenet"
        else _cifar_stem(channels, 3 * width, stem_stride(height, sidelong))
    )
    before = (width, width) if stem == "imagenet" else (3 * width, 3 * width)
    reduced = stem == "imagenet"
    for number in range(cells):
        reduction = number in (cells // 3, 2 * cells // 3)
        width *= 2 if reduction else 1
        parts[f"cells.{number}"], after = darts_cell(
            pick.at("reduce" if reduction else "normal"),
            before,
            width,
            reduction=reduction,
            reduced_before=reduced,
            nodes=nodes,
            names=operations,
            ends=ends,
            pool_norm=pool_norm,
        )
        before, reduced = (before[1], after), reduction
    parts["head"] = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before[1], classes)
    )
    return wired(_forward(cells, parts), parts, name="Darts")


def _forward(cells: int, parts: Mapping[str, nn.Module]) -> Callable[..., Any]:
    def forward(self: Any, x: Any) -> Any:
        first = self.stem(x)
        second = self.stem1(first) if "stem1" in parts else first
        for number in range(cells):
            first, second = second, getattr(self, f"cells.{number}")(first, second)
        return self.head(second)

    return forward


def _cifar_stem(channels: int, after: int, stride: int) -> dict[str, nn.Module]:
    conv = nn.Conv2d(channels, after, 3, stride=stride, padding=1, bias=False)
    return {"stem": nn.Sequential(conv, nn.BatchNorm2d(after))}


def _imagenet_stem(channels: int, after: int) -> dict[str, nn.Module]:
    half = after // 2
    return {
        "stem": nn.Sequential(
            nn.Conv2d(channels, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
        ),
        "stem1": nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(after, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
        ),
    }
