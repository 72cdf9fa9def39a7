"""Move samples: one gather for shifts, mirrors and quarter turns together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archloom.train._draws import Draws
from archloom.train._image_ops import resampling

_SHIFT = 2 / 7  # of the size at full strength; the usual 4 of 28 pixels at half of it
_MIRRORS = {"flip": -1, "vflip": -2, "dflip": -3}
_SHORTEST_DIMS = 3  # samples, channels and one axis in space or time


def augment(
    images: Tensor, ops: Sequence[str], generator: torch.Generator, strength: float = 0.5
) -> Tensor:
    """Give images (N, C, H, W) or volumes (N, C, D, H, W), each moved on its own.

    `shift` moves by a random number of pixels along each axis, up to a seventh of the size at a
    strength of a half, the border being repeated; `flip` mirrors left and right with a chance of
    a half, `vflip` up and down, `dflip` the depth; `rot90` turns images by a quarter, a half or
    three quarters, those that are not square by a half. The random numbers come from a generator
    on the CPU, so that they are the same on every device.

    >>> image = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> augment(image, (), torch.Generator()) is image
    True
    """
    return moved(images, Draws(ops, len(images), generator, strength))


def moved(images: Tensor, draws: Draws) -> Tensor:
    """Give the images moved as the draws say; what is resampled anyway is shifted there."""
    ops = set(draws.ops) & {*_MIRRORS, "shift", "rot90"}
    if resampling(images, draws):
        ops.discard("shift")
    if images.ndim <= _SHORTEST_DIMS or not ops:
        return images
    sizes = images.shape[2:]
    index = [torch.arange(size).expand(len(images), -1) for size in sizes]
    for op, axis in _MIRRORS.items():
        if op in ops and -axis <= len(sizes):
            index[axis] = _mirrored(index[axis], draws.half(), sizes[axis])
    turned = None
    if "rot90" in ops and len(sizes) == 2:
        turned = _turn(index, draws, sizes)
    if "shift" in ops:
        index = [
            _shifted(at, draws.steps("shift", reach(size, draws.strength)), size)
            for at, size in zip(index, sizes, strict=True)
        ]
    return gathered(images, _places(index, sizes, turned))


def reach(size: int, strength: float) -> int:
    """Give how many pixels a shift moves at most."""
    return max(1, int(size * strength * _SHIFT + 1e-9)) if strength else 0


def gathered(samples: Tensor, places: Tensor) -> Tensor:
    """Give samples (N, C, ...) with each point taken from the place (N, points) in it."""
    count, channels = samples.shape[:2]
    index = places.to(samples.device).view(count, 1, -1).expand(-1, channels, -1)
    return samples.reshape(count, channels, -1).gather(2, index).view_as(samples)


def _places(index: list[Tensor], sizes: Sequence[int], turned: Tensor | None) -> Tensor:
    """Join one index an axis into the places of all points."""
    places = _joined(index, sizes)
    if turned is not None:
        # turned by a quarter, a point takes its row from the index of columns
        swapped = index[1][:, :, None] + index[0][:, None, :] * sizes[1]
        places = torch.where(turned[:, None, None], swapped, places)
    return places.reshape(len(places), -1)


def _joined(index: list[Tensor], sizes: Sequence[int]) -> Tensor:
    places = index[0]
    for number, (at, size) in enumerate(zip(index[1:], sizes[1:], strict=True), start=1):
        places = places[..., None] * size + at.view(len(at), *(1,) * number, -1)
    return places


def _turn(index: list[Tensor], draws: Draws, sizes: Sequence[int]) -> Tensor | None:
    """Mirror both axes for half turns and one for quarter turns; say which swap their axes."""
    square = sizes[0] == sizes[1]
    quarters = draws.whole(4) if square else 2 * draws.whole(2)
    down, right = (quarters == 1) | (quarters == 2), (quarters == 2) | (quarters == 3)
    index[0] = _mirrored(index[0], down, sizes[0])
    index[1] = _mirrored(index[1], right, sizes[1])
    return quarters % 2 == 1 if square else None


def _mirrored(index: Tensor, which: Tensor, size: int) -> Tensor:
    return torch.where(which[:, None], size - 1 - index, index)


def _shifted(index: Tensor, steps: Tensor, size: int) -> Tensor:
    """Move an index, repeating the border."""
    return (index + steps[:, None]).clamp_(0, size - 1)
