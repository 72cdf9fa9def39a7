"""SNAS: relaxed samples of all options, from a concrete distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archloom.nn import Assignment
from archloom.oneshot._chances import Keep
from archloom.oneshot._relax import Relaxed, soft
from archloom.oneshot._traits import Traits


@dataclass
class Snas(Relaxed):
    """All options run, weighted by a sample of a concrete distribution that grows harder.

    Xie, Zheng, Liu and Lin, "SNAS: Stochastic Neural Architecture Search" (ICLR 2019, arXiv
    1812.09926), section 2.2: Z = softmax((log p + G) / lambda) with Gumbel noise G. Weights and
    architecture are trained on the same data, with the same loss. The paper says that lambda is
    annealed but not from where to where: here by a constant factor each epoch, from `hot` to
    `cold`. Its resource constraint is the `Penalty` of all methods.

    Args:
        hot: lambda in the first epoch.
        cold: lambda in the last epoch.
        none: whether "none" may be derived, see `Darts`.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = Snas()
    >>> ops = OneOf((Option("conv3"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> round(gates.paths(np.random.default_rng(0))[0]["op"].sum().item(), 6)
    1.0
    """

    hot: float = 1.0
    cold: float = 0.03
    none: Keep = "auto"

    def __post_init__(self) -> None:
        self._checked()

    @property
    def traits(self) -> Traits:
        return Traits(epochs=150, bilevel=False, frozen_affine=True)

    def temperature_at(self, share: float) -> float:
        return self.hot * math.pow(self.cold / self.hot, share)

    def weighted(self, rng: np.random.Generator) -> Assignment:
        noise = self._alphas.noise(rng)
        gates = {
            label: soft(self._alphas.slot(label), alpha + noise[label], self._temperature)
            for label, alpha in self.parameters().items()
        }
        return self._alphas.assignment(gates)
