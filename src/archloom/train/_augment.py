"""Augment a batch of images on its device: one gather for shift and flip together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SHIFT = 7  # move by up to a seventh of the size: 4 of 28 pixels, as is usual


def augment(images: Tensor, ops: Sequence[str], generator: torch.Generator) -> Tensor:
    """Give images (N, C, H, W), each shifted and mirrored on its own.

    `shift` moves by a random number of pixels along both axes, the border being repeated;
    `flip` mirrors left and right with a chance of a half. The random numbers come from a
    generator on the CPU, so that they are the same on every device.

    >>> image = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> augment(image, (), torch.Generator()) is image
    True
    """
    if not ops or images.ndim != 4:
        return images
    count, channels, height, width = images.shape
    rows, columns = torch.arange(height).expand(count, -1), torch.arange(width).expand(count, -1)
    if "flip" in ops:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    if "shift" in ops:
        rows = _shifted(rows, height, generator)
        columns = _shifted(columns, width, generator)
    places = (rows[:, :, None] * width + columns[:, None, :]).to(images.device)
    places = places.view(count, 1, height * width).expand(-1, channels, -1)
    return images.reshape(count, channels, -1).gather(2, places).view_as(images)


def _shifted(index: Tensor, size: int, generator: torch.Generator) -> Tensor:
    reach = max(1, size // _SHIFT)
    away = torch.randint(-reach, reach + 1, (len(index), 1), generator=generator)
    return (index + away).clamp_(0, size - 1)
