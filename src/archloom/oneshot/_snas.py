"""SNAS: relaxed samples of all options, from a concrete distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archloom.nn import Assignment
from archloom.oneshot._alphas import ByAlphas
from archloom.oneshot._chances import Keep
from archloom.oneshot._check import check_number
from archloom.oneshot._gates import State
from archloom.oneshot._relax import soft
from archloom.oneshot._traits import Traits
from archloom.space import Space


@dataclass
class Snas(ByAlphas):
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
        check_number("Snas", "hot", self.hot, 0, open_low=True)
        check_number("Snas", "cold", self.cold, 0, open_low=True)
        self._checked_none()

    @property
    def traits(self) -> Traits:
        return Traits(epochs=150, bilevel=False, frozen_affine=True)

    @property
    def temperature(self) -> float:
        """The lambda of the distribution as it is now."""
        return self._temperature

    def setup(self, space: Space, seed: int) -> None:
        super().setup(space, seed)
        self._temperature = self.hot

    def anneal(self, share: float) -> None:
        self._temperature = self.hot * math.pow(self.cold / self.hot, share)

    def weighted(self, rng: np.random.Generator) -> Assignment:
        noise = self._alphas.noise(rng)
        gates = {
            label: soft(self._alphas.slot(label), alpha + noise[label], self._temperature)
            for label, alpha in self.parameters().items()
        }
        return self._alphas.assignment(gates)

    def state(self) -> State:
        return {**super().state(), "temperature": self._temperature}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._temperature = state["temperature"]
