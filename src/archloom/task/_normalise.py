"""Mean and standard deviation of each channel, from training data only."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_CHUNK = 2048  # samples
_VALUES = 1 << 23  # large samples come in smaller chunks


class Normalisation(NamedTuple):
    """Mean and standard deviation of every channel (axis 1), each of shape (channels,)."""

    mean: Tensor
    std: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Give `(inputs - mean) / std` as new float32 values; the memory layout is kept."""
        shape = (1, -1) + (1,) * (inputs.ndim - 2)
        mean, std = self.mean.to(inputs.device), self.std.to(inputs.device)
        return torch.sub(_as_float(inputs), mean.view(shape)).div_(std.view(shape))

    def to(self, device: torch.device | str) -> Normalisation:
        """Give the same numbers on another device."""
        return Normalisation(self.mean.to(device), self.std.to(device))


def measure_normalisation(inputs: Tensor) -> Normalisation:
    """Measure mean and standard deviation of each channel; a constant channel gets a std of 1.

    Sums run in double precision over chunks, so that 60,000 images cost no second copy.

    >>> measure_normalisation(torch.tensor([[0.0, 7.0], [2.0, 7.0]])).std
    tensor([1., 1.])
    """
    axes = [0, *range(2, inputs.ndim)]
    count, mean, spread = 0.0, torch.zeros(()), torch.zeros(())
    rows = min(_CHUNK, max(1, _VALUES // max(1, math.prod(inputs.shape[1:]))))
    for chunk in torch.split(inputs, rows):
        variance, centre = torch.var_mean(chunk.double(), dim=axes, correction=0)
        size = chunk.numel() / inputs.shape[1]
        total = count + size
        # Chan, Golub and LeVeque 1979: merge the sums of squares of two samples
        away = (centre - mean) ** 2 * (count * size / total)
        spread = spread + variance * size + away
        mean = mean + (centre - mean) * (size / total)
        count = total
    std = (spread / count).sqrt()
    std = torch.where(std > 1e-6 * (mean.abs() + 1e-6), std, 1.0)
    return Normalisation(mean.float(), std.float())


def _as_float(inputs: Tensor) -> Tensor:
    # the subtraction itself turns uint8 into float32 in one pass; half precision would stay half
    return inputs if inputs.dtype in (torch.float32, torch.uint8) else inputs.float()
