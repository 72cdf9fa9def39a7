"""Hyperband whose new architectures are children of good ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archloom.architecture import Architecture
from archloom.strategies._bandit import Bandit
from archloom.strategies._brackets import Brackets
from archloom.strategies._hyperband import hyperband_bracket
from archloom.strategies._rungs import Ladder
from archloom.strategies._strategy import check_number, check_whole

_TRIES = 50  # children in a row that were tried before, until a random architecture takes over
_PARENTS = 3  # at least, however few trials there are


@dataclass
class Dehb(Bandit):
    """Hyperband whose new architectures are bred from the good ones: evolution across budgets.

    After Awad, Mallik and Hutter, "DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient
    Hyperparameter Optimization" (IJCAI 2021, arXiv 2105.09821): what low budgets found good breeds
    what is tried next, on any budget. On the highest rung that holds at least `min_points` scored
    trials, the best share `top` of them are the parents; two of them, drawn with replacement, are
    crossed and the child is mutated. A share `random_fraction` of the new architectures is random,
    as all are while no rung holds enough.

    Brackets as in `Hyperband`; rungs, promotions and `min_budget` as in `SuccessiveHalving`, where
    what those two do differently from their papers is listed. With `prior` what is random here is
    drawn as in PriorBand (arXiv 2306.12370). What differs from this paper:

    - A child comes from `Space.cross` and `Space.mutate` instead of differential evolution
      (rand/1/bin), which reckons with differences of numbers; in trees of choices it found less.
    - Promoted trials go on from where they ended in every bracket, as in Hyperband. In DEHB that
      is so in the first bracket only, and later ones breed anew on every rung.
    - There is one pool of parents, of the highest rung that can give one, instead of one a rung.
    - A share is random, as in BOHB, so that no budget can mislead for good.

    Raises:
        ConfigError: for a setting out of its range or a prior that no space could have; from
            `accept`, when the estimator offers no budget below the full one; from `setup`, for a
            prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space, uniform
    >>> from archloom.strategies import Offer
    >>> strategy = Dehb(random_fraction=0.2)
    >>> strategy.accept(Offer(budgets=tuple(epochs / 9 for epochs in range(1, 10))))
    >>> strategy.setup(Space(()).joint(lr=uniform(0, 1)), Objective("accuracy"), seed=0)
    >>> round(strategy.ask(0).budget, 3)
    0.111
    """

    min_points: int = 9
    top: float = 0.25
    random_fraction: float = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("min_points", self.min_points)
        check_number("top", self.top, 0, 1)
        check_number("random_fraction", self.random_fraction, 0, 1)

    def _new_ladder(self, rungs: int) -> Ladder:
        return Brackets(lambda index: hyperband_bracket(index, rungs, self.eta), self.eta)

    def _drawn(self, rung: int, rng: np.random.Generator) -> Architecture | None:
        blind = bool(self._given) or self._space.size == 1 or rng.random() < self.random_fraction
        child = None if blind else self._child(rng)
        return super()._drawn(rung, rng) if child is None else child

    def _child(self, rng: np.random.Generator) -> Architecture | None:
        """Give an untried child, None without parents or where all of many were tried."""
        rungs = ([e for e in ended if e.gain > -math.inf] for ended in reversed(self._ended))
        pool = next((scored for scored in rungs if len(scored) >= self.min_points), None)
        if pool is None:
            return None
        ranked = sorted(pool, key=lambda entry: entry.rank)
        parents = [e.architecture for e in ranked[: max(_PARENTS, int(self.top * len(ranked)))]]
        for _ in range(_TRIES):
            first, second = (parents[int(rng.integers(len(parents)))] for _ in range(2))
            child = self._space.mutate(self._space.cross(first, second, rng), rng)
            if child in self._untried:
                return child
        return None
