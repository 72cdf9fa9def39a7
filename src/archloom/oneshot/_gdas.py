"""GDAS: one sampled path a pass, with the gradient of its relaxation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from archloom.nn import Assignment, Gate, Weighted
from archloom.oneshot._chances import Keep
from archloom.oneshot._relax import Relaxed, picked, soft
from archloom.oneshot._slots import Slot
from archloom.oneshot._traits import Traits, WeightOptimizer


@dataclass
class Gdas(Relaxed):
    """One option of each choice runs, drawn by Gumbel noise; alphas get the relaxation's gradient.

    Dong and Yang, "Searching for A Robust Neural Architecture in Four GPU Hours" (CVPR 2019, arXiv
    1910.04465), section 3.2: forward h = one-hot(argmax(log p + o)), the Gumbel-max trick,
    backward h~ = softmax((log p + o) / tau), of which only the drawn option's component gets a
    gradient, since the others did not run. tau falls linearly. The path that trains the weights is
    drawn alike, and runs at the cost of that one network.

    What differs from the paper: the reduction cell is searched like the other one (the paper
    fixes it); and only the equations count, not the authors' code, where the weights of options
    that do not run are added to the output as numbers. A subset whose inputs open no layer choice
    keeps the inputs of the largest perturbed alphas.

    Args:
        hot: tau in the first epoch.
        cold: tau in the last epoch.
        none: whether "none" may be derived, see `Darts`.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = Gdas()
    >>> ops = OneOf((Option("conv3"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> gates.paths(np.random.default_rng(0))[0]["op"] in ("conv3", "skip")
    True
    """

    hot: float = 10.0
    cold: float = 0.1
    none: Keep = "auto"

    def __post_init__(self) -> None:
        self._checked()

    @property
    def traits(self) -> Traits:
        return Traits(weights=WeightOptimizer(weight_decay=5e-4, nesterov=True), epochs=250)

    def temperature_at(self, share: float) -> float:
        return self.hot + (self.cold - self.hot) * share

    def weighted(self, rng: np.random.Generator) -> Assignment:
        gates = {
            label: _hard(self._alphas.slot(label), perturbed, self._temperature)
            for label, perturbed in self._perturbed(rng).items()
        }
        return self._alphas.assignment(gates)

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        with torch.no_grad():
            perturbed = self._perturbed(rng)
        slots = self._alphas.slots.open
        values = {
            label: slots[label].value(picked(slots[label], x)) for label, x in perturbed.items()
        }
        return [self._alphas.assignment(values)]

    def _perturbed(self, rng: np.random.Generator) -> dict[str, Tensor]:
        noise = self._alphas.noise(rng)
        return {label: alpha + noise[label] for label, alpha in self.parameters().items()}


def _hard(slot: Slot, perturbed: Tensor, temperature: float) -> Gate:
    """Give the picked options with weights that are 1 and have the relaxation's gradient."""
    places = picked(slot, perturbed)
    if not places:
        return ()
    relaxed = soft(slot, perturbed, temperature)[list(places)]
    return Weighted(
        tuple(slot.options[place] for place in places), 1.0 + (relaxed - relaxed.detach())
    )
