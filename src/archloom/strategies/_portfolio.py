"""Portfolio: several strategies, with more turns for those whose trials do well."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._describe import Spec, described, made
from archloom.strategies._strategy import Offer, Strategy, checked_seed
from archloom.trial import Proposal, Trial


@dataclass
class Portfolio(Strategy):
    """Several strategies that take turns and share all trials; who does well gets more turns.

    The rule is the discounted upper confidence bound of Garivier and Moulines ("On
    Upper-Confidence Bound Policies for Non-Stationary Bandit Problems", arXiv 0805.3415). A trial
    earns the strategy whose turn it was a reward: the share of the trials scored before it, at
    the same budget, that it beats (ties count half; 1/2 for the first one; 0 for failed and
    rejected ones). Only ranks count, so that the metric's scale does not matter. With every trial
    that ends the weights of all earlier rewards shrink by `discount`. The turn goes to the largest

        mean reward + exploration * sqrt(log(all weights) / the strategy's weight).

    Each strategy starts with a reward of 1 that weighs 1 and does not shrink (the paper tries each
    once), so that all get a turn and one bad trial is not the end. A running trial weighs like one
    with the strategy's mean reward, so that workers in parallel spread out.

    All strategies are told all trials. Where the one whose turn it is has nothing left to
    propose, the next one in order does, in its place and to its credit.

    Args:
        strategies: at least one; each a strategy, its name, or `{"name": ..., SETTING: ...}`.
        exploration: 0 takes the best so far; larger values spread the turns.
        discount: above 0 and at most 1, which never forgets.
        seed: of the strategies that have none of their own.

    Raises:
        ConfigError: for no strategies or numbers out of range.

    >>> Portfolio(["random", {"name": "grid", "points": 3}]).strategies[1]
    {'name': 'grid', 'points': 3, 'shuffle': False, 'seed': None}
    """

    strategies: Sequence[Spec] = field(
        default_factory=lambda: ["evolution", "local_search", "random"]
    )
    exploration: float = 0.3
    discount: float = 0.98
    seed: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.strategies, str) or not isinstance(self.strategies, Sequence):
            raise ConfigError(
                f"A portfolio holds a list of strategies, such as [evolution, local_search], got "
                f"{self.strategies!r}."
            )
        if not self.strategies:
            raise ConfigError("A portfolio needs at least one strategy, got none.")
        self._arms = [made(spec) for spec in self.strategies]
        self.strategies = [described(arm) for arm in self._arms]
        if not _is_number(self.exploration) or self.exploration < 0:
            raise ConfigError(f"exploration must be a number from 0, got {self.exploration!r}.")
        if not _is_number(self.discount) or not 0 < self.discount <= 1:
            raise ConfigError(f"discount must lie above 0 and not above 1, got {self.discount!r}.")
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        for arm in self._arms:
            arm.accept(offer)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        for arm in self._arms:
            arm.setup(space, objective, self._entropy)
        self._weights = [0.0] * len(self._arms)
        self._rewards = [0.0] * len(self._arms)
        self._running: dict[int, int] = {}  # trial -> whose turn it was
        self._gains: dict[float, list[float]] = {}  # by budget, ascending

    def ask(self, number: int) -> Proposal | None:
        first = self._turn()
        for place in range(len(self._arms)):
            proposal = self._arms[(first + place) % len(self._arms)].ask(number)
            if proposal is not None:
                return proposal
        return None

    def tell(self, trial: Trial) -> None:
        turn = self._running.pop(trial.number, None)
        if turn is None:
            turn = self._turn()
        if trial.state.ended:
            self._reward(turn, self._earned(trial))
        else:
            self._running[trial.number] = turn
        for arm in self._arms:
            arm.tell(trial)

    @property
    def shares(self) -> tuple[float, ...]:
        """The present shares of the strategies in the turns, in their order; 0 before any."""
        total = sum(self._weights)
        return tuple(weight / total if total else 0.0 for weight in self._weights)

    def _turn(self) -> int:
        """Give the place of the strategy whose turn it is."""
        running = list(self._running.values())
        total = sum(self._weights) + len(running)

        def bound(arm: int) -> float:
            weight, reward, at_work = self._weights[arm], self._rewards[arm], running.count(arm)
            expected = at_work * (reward / weight if weight else 0.5)
            mean = (1 + reward + expected) / (1 + weight + at_work)
            spread = math.sqrt(math.log(1 + total) / (1 + weight + at_work))
            return mean + self.exploration * spread

        return max(range(len(self._arms)), key=bound)

    def _earned(self, trial: Trial) -> float:
        gain = self._gain(trial)
        if gain is None:
            return 0.0
        before = self._gains.setdefault(1.0 if trial.budget is None else trial.budget, [])
        beaten, not_above = bisect.bisect_left(before, gain), bisect.bisect_right(before, gain)
        share = (beaten + not_above) / 2 / len(before) if before else 0.5
        before.insert(not_above, gain)
        return share

    def _reward(self, turn: int, reward: float) -> None:
        self._weights = [weight * self.discount for weight in self._weights]
        self._rewards = [total * self.discount for total in self._rewards]
        self._weights[turn] += 1
        self._rewards[turn] += reward


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
