"""BOHB: Hyperband whose new architectures come from a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archloom.architecture import Architecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._bandit import Bandit
from archloom.strategies._brackets import Brackets
from archloom.strategies._hyperband import hyperband_bracket
from archloom.strategies._kde import TreeDensity
from archloom.strategies._rungs import Ladder
from archloom.strategies._strategy import check_number, check_whole

_ENOUGH = 10  # trials for a model, however many labels a space has


@dataclass
class Bohb(Bandit):
    """Hyperband whose new architectures are likely among the good trials, unlikely among the bad.

    Algorithm 2 of Falkner, Klein and Hutter, "BOHB: Robust and Efficient Hyperparameter
    Optimization at Scale" (ICML 2018, arXiv 1807.01774). On the highest rung that holds at least
    `min_points` + 2 ended trials, the best share `top` of them (at least `min_points`) and the
    rest are each modelled by a kernel density (equations 2 and 3). Of `samples` draws from the
    density of the good, with the bandwidths of numbers widened by `bandwidth_factor`, the untried
    one with the highest ratio of both densities begins. A share `random_fraction` of the new
    architectures is random, as all are while no rung holds enough.

    Brackets as in `Hyperband`; rungs, promotions and `min_budget` as in `SuccessiveHalving`, where
    what those two do differently from their papers is listed. With `prior` what is random here is
    drawn as in PriorBand (arXiv 2306.12370). What differs from this paper:

    - Densities follow the tree of choices (product kernels of the labels that are active), instead
      of imputing values for labels that are not.
    - Options have Aitchison and Aitken's kernel as in the paper; its bandwidth shrinks from that
      of the flat kernel as n^(-1 / (4 + labels)), since the spread of their indices means nothing.
    - `min_points` is the number of labels + 1 as in the paper, but 10 at most: kernels of single
      labels need no more, and in a space of many labels no search would live to see the model.
    - Failed trials count as bad ones.

    Raises:
        ConfigError: for a setting out of its range or a prior that no space could have; from
            `accept`, when the estimator offers no budget below the full one; from `setup`, for a
            prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space, uniform
    >>> from archloom.strategies import Offer
    >>> strategy = Bohb(random_fraction=0.2)
    >>> strategy.accept(Offer(budgets=tuple(epochs / 9 for epochs in range(1, 10))))
    >>> strategy.setup(Space(()).joint(lr=uniform(0, 1)), Objective("accuracy"), seed=0)
    >>> round(strategy.ask(0).budget, 3)
    0.111
    """

    min_points: int | None = None
    top: float = 0.15
    samples: int = 64
    random_fraction: float = 1 / 3
    bandwidth_factor: float = 3.0
    min_bandwidth: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_points is not None:
            check_whole("min_points", self.min_points)
        check_whole("samples", self.samples)
        check_number("top", self.top, 0, 1)
        check_number("random_fraction", self.random_fraction, 0, 1)
        check_number("bandwidth_factor", self.bandwidth_factor, 1)
        check_number("min_bandwidth", self.min_bandwidth, 0, 0.5, above=True)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        labels = sum(choice.domain.count > 1 for choice in space.labels.values())
        self._enough = self.min_points or min(labels + 1, _ENOUGH)

    def _new_ladder(self, rungs: int) -> Ladder:
        return Brackets(lambda index: hyperband_bracket(index, rungs, self.eta), self.eta)

    def _drawn(self, rung: int, rng: np.random.Generator) -> Architecture | None:
        blind = bool(self._given) or rng.random() < self.random_fraction
        found = None if blind else self._by_model(rng)
        return super()._drawn(rung, rng) if found is None else found

    def _by_model(self, rng: np.random.Generator) -> Architecture | None:
        """Give the untried draw that the model likes best, None without a model or such a draw."""
        ended = next((e for e in reversed(self._ended) if len(e) >= self._enough + 2), None)
        if ended is None:
            return None
        ranked = sorted(ended, key=lambda entry: entry.rank)
        if ranked[0].gain == -math.inf:
            return None
        many = max(self._enough, int(self.top * len(ranked)))
        few = max(self._enough, len(ranked) - many)
        good, bad = (
            TreeDensity(self._space, [entry.architecture for entry in part], self.min_bandwidth)
            for part in (ranked[:many], ranked[-few:])
        )
        drawn = [good.draw(rng, self.bandwidth_factor) for _ in range(self.samples)]
        new = [architecture for architecture in drawn if architecture in self._untried]
        if not new:
            return None
        return new[int(np.argmax(good.log_density(new) - bad.log_density(new)))]
