"""Well-known data sets by the mean and deviation of all their values, whatever their name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """How many samples, and the mean and standard deviation of all their values.

    >>> Moments.of([torch.tensor([[0, 2], [4, 6]], dtype=torch.uint8)])
    Moments(samples=2, mean=3.0, std=2.23606797749979)
    """

    samples: int
    mean: float
    std: float

    @classmethod
    def of(cls, parts: Iterable[Tensor]) -> Moments:
        """Measure tensors together; whole numbers are summed exactly."""
        samples, count, total, squares = 0, 0, 0.0, 0.0
        for part in parts:
            samples += len(part)
            count += part.numel()
            for chunk in torch.split(part, 4096):
                plain = chunk.double()
                total += float(plain.sum())
                squares += float((plain * plain).sum())
        if not count:
            return cls(0, 0.0, 0.0)
        mean = total / count
        return cls(samples, mean, math.sqrt(max(squares / count - mean * mean, 0.0)))

    def like(self, other: Moments) -> bool:
        """Say whether both are of one set, perhaps stored in 0 to 1 instead of 0 to 255."""
        if self.samples != other.samples:
            return False
        return any(
            math.isclose(self.mean * scale, other.mean, rel_tol=1e-6)
            and math.isclose(self.std * scale, other.std, rel_tol=1e-6)
            for scale in (1.0, 255.0, 16.0)
        )


# Published, but for Fashion-MNIST, the digits and the MedMNIST sets, which were measured on the
# official files. Each is given for its training samples and for those with the test samples.
KNOWN: Final[Mapping[str, tuple[Moments, ...]]] = {
    "MNIST": (
        Moments(60_000, 33.318421449829934, 78.56748998339798),
        Moments(10_000, 33.791224489795916, 79.17246322228644),
    ),
    "Fashion-MNIST": (
        Moments(60_000, 72.94035223214286, 90.02118235130526),
        Moments(10_000, 73.14656658163265, 89.87325907809719),
    ),
    "digits": (Moments(1_797, 4.884164579855314, 6.016787548672236),),
    "BreastMNIST": (
        Moments(546, 83.53302777154818, 52.46118760650271),
        Moments(624, 83.88943942961801, 52.57238366233814),
        Moments(156, 85.67808902407117, 51.92748931989385),
    ),
    "PneumoniaMNIST": (
        Moments(4_708, 145.83999824441247, 42.92957197729146),
        Moments(5_232, 145.76946615802285, 42.94372909807934),
        Moments(624, 143.81210753532181, 43.19433881165971),
    ),
}


def known_name(groups: Iterable[Moments]) -> str | None:
    """Give the name of the known set that one of the groups of samples is, None for none."""
    measured = list(groups)
    for name, sets in KNOWN.items():
        if any(group.like(known) for group in measured for known in sets):
            return name
    return None
