"""DARTS: all options at once, weighted by a softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from archloom.nn import Assignment
from archloom.oneshot._alphas import ByAlphas
from archloom.oneshot._chances import Keep
from archloom.oneshot._check import check_one_of
from archloom.oneshot._traits import Traits


@dataclass
class Darts(ByAlphas):
    """All options run, and their outputs are summed with weights softmax(alpha).

    Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search" (ICLR 2019, arXiv
    1806.09055): eq. 2 is the mixture; `order=2` descends eq. 6, the validation loss after one
    step of the weights, and `order=1` sets that step's rate to 0 (section 2.3). All inputs of a
    node run while searching; the derived cell keeps those whose strongest operation is strongest
    (section 2.4).

    Beyond the paper: depths and values are weighted like operations, and a subset whose inputs
    open no layer choice has weights of its own, the chances of the inputs under
    P(subset) ~ exp(sum of alphas).

    Args:
        order: 1, or 2 for gradients through one step of the weights: better justified, and about
            twice the time.
        hessian: for order 2 "finite", the paper's eq. 8, or "exact", by double backward: about
            twice the time and three times the memory on fused supernets.
        none: whether options called "none" or "zero" may be derived: "auto", not for an
            operation on an input of a subset, as in the paper, elsewhere yes; "always"; "never".

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = Darts()
    >>> ops = OneOf((Option("conv3"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> gates.paths(np.random.default_rng(0))[0]["op"].shape
    torch.Size([2])
    """

    order: Literal[1, 2] = 1
    hessian: Literal["finite", "exact"] = "finite"
    none: Keep = "auto"

    def __post_init__(self) -> None:
        check_one_of("Darts", "order", self.order, (1, 2))
        check_one_of("Darts", "hessian", self.hessian, ("finite", "exact"))
        self._checked_none()

    @property
    def traits(self) -> Traits:
        return Traits(order=self.order, hessian=self.hessian, frozen_affine=True)

    def weighted(self, rng: np.random.Generator) -> Assignment:
        chances = self.probabilities()
        return self._alphas.assignment({label: chances[label] for label in self.parameters()})
