"""Change normalised images and volumes: turn, zoom and shear in one resampling, light, holes."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from archloom.train._draws import Draws

GEOMETRY = ("scale", "crop", "rotate", "shear")

# at full strength
_TURN = math.pi / 6
_ZOOM = math.log(1.5)
_CROP = 0.5  # of each side may be cut off
_SHEAR = 0.4
_LIGHT = 0.6  # standard deviations of the channel
_CONTRAST = 0.6
_HOLE = 0.7  # of each side
_NOISE = 0.3
_SHIFT = 4 / 7  # of half the size, which is 1 in the coordinates of a grid


def changed(images: Tensor, draws: Draws) -> Tensor:
    """Give float images (N, C, H, W) or volumes (N, C, D, H, W), changed as the draws say."""
    if resampling(images, draws):
        images = resampled(images, draws)
    images = _lit(images, draws)
    if "noise" in draws.ops:
        images = images + _each(draws.positive("noise") * _NOISE, images) * draws.normal(
            *images.shape[1:]
        ).to(images.device, images.dtype)
    return _with_holes(images, draws) if "cutout" in draws.ops else images


def resampling(images: Tensor, draws: Draws) -> bool:
    """Whether the draws turn, zoom or shear the images."""
    return images.ndim == 4 and not set(draws.ops).isdisjoint(GEOMETRY)


def resampled(images: Tensor, draws: Draws) -> Tensor:
    """Move, turn, zoom and shear by one bilinear resampling, the border being repeated."""
    count, _, height, width = images.shape
    zero = torch.zeros(count)

    def magnitude(op: str, most: float) -> Tensor:
        return draws.signed(op) * most if op in draws.ops else zero

    angle = magnitude("rotate", _TURN)
    shear = magnitude("shear", _SHEAR)
    zoom = magnitude("scale", _ZOOM).exp()
    right, down = magnitude("shift", _SHIFT), magnitude("shift", _SHIFT)
    if "crop" in draws.ops:
        cut = draws.positive("crop") * _CROP
        zoom = zoom * (1 - cut)
        right = right + (2 * draws.uniform() - 1) * cut
        down = down + (2 * draws.uniform() - 1) * cut
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    # coordinates run from -1 to 1 along both axes: turning must know how long these are
    long, tall = width / height, height / width
    matrix = torch.stack(
        [cos, (shear * cos - sin) * tall, right, sin * long, shear * sin + cos, down], 1
    )
    grid = _grid(matrix.to(images.device), height, width).to(images.dtype)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _grid(matrix: Tensor, height: int, width: int) -> Tensor:
    """Give what `functional.affine_grid` gives, several times as fast.

    With x + iy for a point, each is a number of its row and a number of its column added up.
    """
    rows = (torch.arange(height).to(matrix) * 2 + 1) / height - 1
    columns = (torch.arange(width).to(matrix) * 2 + 1) / width - 1
    a, b, c, d, e, f = matrix[:, :, None].unbind(1)
    by_row = torch.complex(b * rows + c, e * rows + f)
    by_column = torch.complex(a * columns, d * columns)
    return torch.view_as_real(by_row[:, :, None] + by_column[:, None, :])


def _lit(images: Tensor, draws: Draws) -> Tensor:
    if {"contrast", "brightness"}.isdisjoint(draws.ops):
        return images
    factor, offset = torch.ones(len(images)), torch.zeros(len(images))
    if "contrast" in draws.ops:
        factor = factor + draws.signed("contrast") * _CONTRAST
    if "brightness" in draws.ops:
        offset = draws.signed("brightness") * _LIGHT
    return torch.addcmul(_each(offset, images), images, _each(factor, images))


def _with_holes(images: Tensor, draws: Draws) -> Tensor:
    """Put the mean into a box of each sample (DeVries and Taylor 2017; Zhong et al. 2020)."""
    inside = torch.ones((), dtype=torch.bool)
    size = draws.positive("cutout") * _HOLE
    if draws.on("cutout") is None:
        size = size * draws.half()
    for axis, length in enumerate(images.shape[2:]):
        middle, extent = draws.uniform() * length, size * length
        at = torch.arange(length) + 0.5
        near = (at - middle[:, None]).abs() * 2 < extent[:, None]
        shape = [len(images), 1, *(1 for _ in images.shape[2:])]
        shape[2 + axis] = length
        inside = inside & near.view(shape)
    return images.masked_fill(inside.to(images.device), 0.0)


def _each(values: Tensor, like: Tensor) -> Tensor:
    """Give one number a sample in a form that applies to all of it."""
    return values.view(-1, *(1,) * (like.ndim - 1)).to(like.device, like.dtype)
