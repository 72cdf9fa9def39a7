"""PC-DARTS: DARTS on part of the channels, with weights for edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from archloom.nn import Assignment
from archloom.oneshot._alphas import Alphas, ByAlphas
from archloom.oneshot._chances import Keep, with_edges
from archloom.oneshot._check import check_whole
from archloom.oneshot._traits import ArchOptimizer, Traits, WeightOptimizer
from archloom.space import Space


@dataclass
class PcDarts(ByAlphas):
    """DARTS whose operations see one channel in K, with a weight for each input of a node.

    Xu, Xie, Zhang, Chen, Qi, Tian and Xiong, "PC-DARTS: Partial Channel Connections for
    Memory-Efficient Architecture Search" (ICLR 2020, arXiv 1907.05737), section 3: the partial
    connection, where the other channels pass by, f(x) = sum_o softmax(alpha)_o o(S x) + (1 - S) x;
    and the edge normalisation, inputs weighted by softmax(beta). The derived cell keeps the inputs
    with the largest product of beta's and the strongest operation's weight. The architecture rests
    for the first 30 % of the epochs (15 of 50 in the paper).

    What differs from the paper: edges are the inputs of `pick.subset`. A space whose nodes sum
    layers without one, as NAS-Bench-201 does, has no betas, since nothing in it says which edges
    meet.

    Args:
        partial: K; the channels that operations see must be a multiple of it.
        none: whether "none" may be derived, see `Darts`.

    >>> PcDarts().partial, PcDarts().traits.warmup
    (4, 0.3)
    """

    partial: int = 4
    none: Keep = "auto"

    def __post_init__(self) -> None:
        check_whole("PcDarts", "partial", self.partial, 1)
        self._checked_none()

    @property
    def traits(self) -> Traits:
        return Traits(
            weights=WeightOptimizer(lr=0.1, lr_end=0.0),
            arch=ArchOptimizer(lr=6e-4),
            batch_size=256,
            warmup=0.3,
            frozen_affine=True,
        )

    def setup(self, space: Space, seed: int) -> None:
        self._alphas = Alphas(space, type(self).__name__, seed, edges=True)

    def log_odds(self) -> Mapping[str, Tensor]:
        slots = self._alphas.slots.open
        return {
            label: beta.log_softmax(0) if slots[label].how == "edges" else beta
            for label, beta in self.parameters().items()
        }

    def weighted(self, rng: np.random.Generator) -> Assignment:
        slots = self._alphas.slots
        chances = self.probabilities()
        gates = {
            label: parameter.softmax(0) if slots.open[label].how == "edges" else chances[label]
            for label, parameter in self.parameters().items()
        }
        return self._alphas.assignment(gates)

    def _all_odds(self) -> Mapping[str, Tensor]:
        odds = self.log_odds()
        return with_edges(self._alphas.slots, odds, odds)
