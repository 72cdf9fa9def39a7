"""Successive halving, rung by rung and asynchronously."""

from __future__ import annotations

from dataclasses import dataclass

from archloom.errors import ConfigError
from archloom.strategies._bandit import Bandit
from archloom.strategies._brackets import Brackets, Shape
from archloom.strategies._rungs import Asynchronous, Ladder
from archloom.strategies._strategy import check_whole


@dataclass
class SuccessiveHalving(Bandit):
    """Try `architectures` with the lowest budget, go on with the best 1/eta, and so on to the top.

    Algorithm of Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
    Hyperparameter Optimization" (AISTATS 2016, arXiv 1502.07943), with the budgets of Hyperband's
    inner loop (arXiv 1603.06560): the rungs are the budgets nearest to 1, 1/eta, 1/eta^2, ... that
    the estimator offers, none below `min_budget`. A promoted trial is a new trial of the same
    architecture, whose parent is the one that it goes on from.

    `architectures=None` begins with eta^(rungs - 1), so that one of them reaches the full budget.
    With `prior` (see `archloom.space.Prior`) new architectures are drawn as in PriorBand (arXiv
    2306.12370).

    What the paper leaves open, or differs from it:

    - After a bracket the next one begins, until the trials of the search are used up.
    - While a rung waits for running trials, the next bracket begins, so that workers are not idle.
    - Failed trials count as the worst of their rung; stopped ones do not go on. Rejected ones do
      not count.
    - No architecture begins twice. Once all of a finite space were tried, the best of those that
      were left behind go on, highest rung first, until each has had its full budget.

    Raises:
        ConfigError: for eta below 2, a `min_budget` that is no share, a first rung of less than eta
            architectures, or a prior that no space could have; from `accept`, when the estimator
            offers no budget below the full one; from `setup`, for a prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space, uniform
    >>> from archloom.strategies import Offer
    >>> strategy = SuccessiveHalving(eta=3)
    >>> strategy.accept(Offer(budgets=tuple(epochs / 9 for epochs in range(1, 10))))
    >>> strategy.setup(Space(()).joint(lr=uniform(0, 1)), Objective("accuracy"), seed=0)
    >>> round(strategy.ask(0).budget, 3)
    0.111
    """

    architectures: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architectures is None:
            return
        check_whole("architectures", self.architectures)
        if self.architectures < self.eta:
            raise ConfigError(
                f"A bracket needs at least eta={self.eta} architectures, or none would go on, "
                f"got architectures={self.architectures}."
            )

    def _new_ladder(self, rungs: int) -> Ladder:
        many = self.architectures or int(self.eta ** (rungs - 1))
        sizes = tuple(int(many / self.eta**level + 1e-9) for level in range(rungs))
        shape = Shape(0, tuple(size for size in sizes if size))
        return Brackets(lambda _: shape, self.eta)


@dataclass
class Asha(Bandit):
    """Successive halving without waiting: promote whatever is among the best 1/eta of its rung.

    Algorithm 2 (ASHA) of Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht and
    Talwalkar, "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020, arXiv
    1810.05934). Whenever a worker is free, the rungs are looked through from the top: the best
    trial among the first 1/eta of its rung that was not promoted yet goes on; where there is none,
    a new architecture begins on the lowest rung. So it suits parallel workers best.

    Rungs, `min_budget` and `prior` as in `SuccessiveHalving`. What differs from the paper:

    - No architecture begins twice. Once all of a finite space were tried, the best of those that
      were left behind go on, highest rung first, until each has had its full budget.
    - Failed trials count as the worst of their rung; stopped ones do not go on.

    Raises:
        ConfigError: for eta below 2, a `min_budget` that is no share, or a prior that no space
            could have; from `accept`, when the estimator offers no budget below the full one; from
            `setup`, for a prior that does not fit.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space, uniform
    >>> from archloom.strategies import Offer
    >>> from archloom.trial import State, Trial
    >>> strategy = Asha(eta=2)
    >>> strategy.accept(Offer(budgets=(0.5, 1.0)))
    >>> strategy.setup(Space(()).joint(lr=uniform(0, 1)), Objective("accuracy"), seed=0)
    >>> for number, accuracy in enumerate([0.7, 0.9]):
    ...     new = strategy.ask(number)
    ...     strategy.tell(Trial(
    ...         number, "search", new.architecture, 0, State.DONE, budget=new.budget,
    ...         metrics={"accuracy": accuracy},
    ...     ))
    >>> strategy.ask(2).parent, strategy.ask(2).budget
    (1, 1.0)
    """

    def _new_ladder(self, rungs: int) -> Ladder:
        return Asynchronous(rungs, self.eta)
