"""Lexicographic: objectives in order of importance, for any strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._combined_objective import CombinedObjective, Gains, Span, position
from archloom.strategies._describe import Spec, described, made
from archloom.strategies._scalarized import checked_numbers, require_objectives
from archloom.strategies._strategy import Offer, Strategy, checked_seed
from archloom.trial import Proposal, Trial

_PARTS: Final = 100  # of what was seen so far, where no tolerance is set


@dataclass
class Lexicographic(Strategy):
    """Another strategy on the objectives in their order: the second counts where the first ties.

    Values tie when they fall into the same step below the best so far, each as high as the
    tolerance: with 0.01 all accuracies less than 0.01 below the best are as good as it, then
    those less than 0.02, and so on. Steps make the order one, which "differs by less than the
    tolerance" does not. So "the smallest of those within a point of the best accuracy" is
    `objectives: [accuracy, min params]` with `tolerances={"accuracy": 0.01}`. The last objective
    has no steps.

    When the best or worst of an objective changes, so do the steps: the inner strategy starts
    anew and is told all trials again. With one objective the inner strategy works as it would
    alone. The search's own best is still by its first objective; see the front of the report.

    Args:
        strategy: the inner one, its name, or `{"name": ..., SETTING: ...}`.
        tolerances: the metric of an objective -> the height of a step in its own unit, above 0;
            for those left out a hundredth of what was seen so far.
        seed: of the inner strategy, unless it has one of its own.

    Raises:
        ConfigError: for a tolerance that is not above 0; from `accept`, for one of something that
            is no objective of the search.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> from archloom.strategies import Offer
    >>> strategy = Lexicographic("random", tolerances={"accuracy": 0.01})
    >>> strategy.accept(Offer(objectives=(Objective("accuracy"), Objective("params", "min"))))
    >>> strategy.setup(Space(()).joint(width=[16, 32]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    strategy: Spec = "evolution"
    tolerances: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        self._inner = made(self.strategy)
        self.strategy = described(self._inner)
        self.tolerances = checked_numbers("tolerances", self.tolerances)
        for metric, tolerance in self.tolerances.items():
            if tolerance == 0:
                raise ConfigError(
                    f"A tolerance must be above 0, {metric!r} has 0: then hardly any trials tie. "
                    f"Give a small one, or leave it out for a hundredth of the range."
                )
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        require_objectives("tolerances", self.tolerances, offer.objectives)
        self._inner.accept(offer)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._objectives = self._offer.objectives or (objective,)
        free: list[Span | None] = [None] * len(self._objectives)
        self._combined = CombinedObjective(self._inner, self._combine, free, self._entropy)
        self._combined.start(space, self._offer)

    def ask(self, number: int) -> Proposal | None:
        return self._combined.ask(number)

    def tell(self, trial: Trial) -> None:
        gains = [self._gain(trial, objective) for objective in self._objectives]
        known = tuple(gain for gain in gains if gain is not None)
        self._combined.tell(trial, known if len(known) == len(gains) else None)

    def _combine(self, gains: Gains, spans: Sequence[Span]) -> float:
        """Give a number from 0 to 1 that orders as the steps do: one digit for each objective."""
        value = position(gains[-1], spans[-1])
        for objective, gain, span in list(zip(self._objectives, gains, spans, strict=True))[-2::-1]:
            height = self.tolerances.get(objective.metric) or (span[1] - span[0]) / _PARTS
            below, most = (_steps(span[1] - there, height) for there in (gain, span[0]))
            # The next objective's number is at most 1, and 1 must not reach the next step.
            value = (most - below + value / (1 + 1e-9)) / (most + 1)
        return value


def _steps(distance: float, height: float) -> int:
    return math.floor(distance / height + 1e-9) if height else 0
