"""Uniform paths: single path one-shot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from archloom.architecture import Architecture
from archloom.errors import Infeasible
from archloom.nn import Assignment
from archloom.oneshot._gates import Gates
from archloom.oneshot._slots import MOST_NUMBERS
from archloom.oneshot._subsets import inclusion
from archloom.oneshot._traits import Traits, WeightOptimizer
from archloom.space import Domain, Floats, Integers, OneOf, SomeOf, Space

Admits = Callable[[Architecture], bool]

_TRIES: Final = 1000


@dataclass
class Uniform(Gates):
    """Each weight step trains one path, every choice drawn uniformly (SPOS).

    Guo, Zhang, Mu, Heng, Liu, Wei and Sun, "Single Path One-Shot Neural Architecture Search with
    Uniform Sampling" (ECCV 2020, arXiv 1904.00420), section 3: the weights minimise the mean loss
    over paths, W = argmin E_a[L_train(N(a, W(a)))]. Nothing else is learnt: a search over the
    scores of inherited weights follows. With a limit on costs, paths that exceed it are drawn
    anew, as the paper does. Numbers are drawn from their ranges, listed or not.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = Uniform()
    >>> ops = OneOf((Option("conv3"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> gates.paths(np.random.default_rng(0))
    [Architecture({'op': 'skip'})]
    """

    @property
    def traits(self) -> Traits:
        # The paper's rate, 0.5 for batches of 1024, scaled to 64.
        return Traits(weights=WeightOptimizer(lr=0.03, lr_end=0.0, weight_decay=4e-5), epochs=120)

    def setup(self, space: Space, seed: int) -> None:
        self._space = space
        self._admits: Admits | None = None

    def limit(self, admits: Admits) -> None:
        """Train only the paths that `admits` lets through, until the next `setup`."""
        self._admits = admits

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        return [self.draw(rng)]

    def draw(self, rng: np.random.Generator) -> Architecture:
        return admitted(lambda: self._space.sample(rng), self._admits)

    def probabilities(self) -> Mapping[str, Tensor]:
        return uniform_chances(self._space)


def admitted(draw: Callable[[], Architecture], admits: Admits | None) -> Architecture:
    """Draw until `admits` lets an architecture through.

    Raises:
        Infeasible: when none of many was let through.
    """
    for _ in range(_TRIES):
        drawn = draw()
        if admits is None or admits(drawn):
            return drawn
    raise Infeasible(
        f"A path to train must meet the limits, and none of {_TRIES} random ones does. Loosen the "
        f"limit, or leave expensive options out of the space."
    )


def uniform_chances(space: Space) -> dict[str, Tensor]:
    """Give the chance of each option where architectures are sampled from the space itself."""
    return {
        label: _chances(choice.domain)
        for label, choice in space.labels.items()
        if choice.domain.count > 1 and _listed(choice.domain)
    }


def _listed(domain: Domain) -> bool:
    match domain:
        case Floats():
            return False
        case Integers(count=count):
            return count <= MOST_NUMBERS
        case _:
            return True


def _chances(domain: Domain) -> Tensor:
    match domain:
        case SomeOf(options=options, low=low, high=high):
            return inclusion(torch.zeros(len(options)), low, high)
        case Integers(log=True, step=step):
            values = torch.tensor(list(domain.values()), dtype=torch.float32)
            return _log_shares(values, step)
        case OneOf() | Integers():
            return torch.full((int(domain.count),), 1.0 / domain.count)
        case Floats():
            raise AssertionError("floats have no list of chances")


def _log_shares(values: Tensor, step: int) -> Tensor:
    """Give the share of each whole number of a log-uniform range."""
    logs = (values + step).log() - values.log()
    return logs / logs.sum()
