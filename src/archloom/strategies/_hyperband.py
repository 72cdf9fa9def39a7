"""Hyperband."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archloom.strategies._bandit import Bandit
from archloom.strategies._brackets import Brackets, Shape
from archloom.strategies._rungs import Ladder


@dataclass
class Hyperband(Bandit):
    """Successive halving in brackets that begin on ever higher rungs, with ever fewer trials.

    Algorithm 1 of Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel
    Bandit-Based Approach to Hyperparameter Optimization" (JMLR 2018, arXiv 1603.06560). It hedges
    against low budgets that mislead: the first bracket tries many architectures with the lowest
    budget, the last one few with the full budget at once; then it begins again.

    Rungs, promotions, `min_budget` and `prior` as in `SuccessiveHalving`, deviations included.

    Raises:
        ConfigError: for eta below 2, a `min_budget` that is no share, or a prior that no space
            could have; from `accept`, when the estimator offers no budget below the full one; from
            `setup`, for a prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space, uniform
    >>> from archloom.strategies import Offer
    >>> strategy = Hyperband(min_budget=0.1)
    >>> strategy.accept(Offer(budgets=tuple(epochs / 20 for epochs in range(1, 21))))
    >>> strategy.setup(Space(()).joint(lr=uniform(0, 1)), Objective("accuracy"), seed=0)
    >>> strategy.ask(0).budget
    0.1
    """

    def _new_ladder(self, rungs: int) -> Ladder:
        return Brackets(lambda index: hyperband_bracket(index, rungs, self.eta), self.eta)


def hyperband_bracket(index: int, rungs: int, eta: float) -> Shape:
    """Give the shape of the bracket of that index, 0 for the first; they come round.

    Lines 1 to 5 of Hyperband's Algorithm 1: with s = rungs - 1, rungs - 2, ..., 0 a bracket begins
    with n = ceil(rungs * eta^s / (s + 1)) architectures, and floor(n / eta^i) reach its rung i.

    >>> hyperband_bracket(0, 5, 3)
    Shape(first=0, sizes=(81, 27, 9, 3, 1))
    >>> hyperband_bracket(1, 5, 3)
    Shape(first=1, sizes=(34, 11, 3, 1))
    """
    first = index % rungs
    s = rungs - 1 - first
    many = math.ceil(rungs * eta**s / (s + 1))
    return Shape(first, tuple(int(many / eta**level + 1e-9) for level in range(s + 1)))
