"""Scalarized: several objectives weighed into one, for any strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._combined_objective import CombinedObjective, Gains, Span, position
from archloom.strategies._describe import Spec, described, made
from archloom.strategies._strategy import Offer, Strategy, check_number, checked_seed
from archloom.trial import Proposal, Trial

_RHO: Final = 0.05  # Knowles' choice


@dataclass
class Scalarized(Strategy):
    """Another strategy on one number for all objectives of the search: their weighted sum.

    Each objective is measured from 0, the worst value so far, to 1, the best, so that weights
    compare; with `ranges` it is measured on a range of your own. The weights are shares: their
    sum does not matter.

    - "linear": the weighted sum of these.
    - "chebyshev": minus the largest weighted distance to the best, less 0.05 times the weighted
      sum of distances: the augmented Chebyshev norm as in Knowles, "ParEGO" (IEEE Trans.
      Evolutionary Computation 10, 2006), equation 2, with weights that stay. It can reach each
      point of the front, also where the front is not convex and no weighted sum has its best.

    When a trial is better or worse than all before, the measure changes: the inner strategy starts
    anew and is told all trials again. With one objective the inner strategy works as it would
    alone. The search's own best is still by its first objective; see the front of the report.

    Args:
        strategy: the inner one, its name, or `{"name": ..., SETTING: ...}`.
        weights: the metric of an objective -> its weight; 1 for those left out.
        how: "linear" or "chebyshev".
        ranges: the metric of an objective -> [low, high] in its own unit.
        seed: of the inner strategy, unless it has one of its own.

    Raises:
        ConfigError: for weights below 0 and ranges that are none; from `accept`, for a weight or a
            range of something that is no objective of the search, and when all weights are 0.

    >>> from archloom.objective import Objective
    >>> from archloom.space import Space
    >>> from archloom.strategies import Offer
    >>> strategy = Scalarized("random", weights={"accuracy": 3, "params": 1})
    >>> strategy.accept(Offer(objectives=(Objective("accuracy"), Objective("params", "min"))))
    >>> strategy.setup(Space(()).joint(width=[16, 32]), Objective("accuracy"), seed=0)
    >>> strategy.ask(0) == strategy.ask(0)
    True
    """

    strategy: Spec = "evolution"
    weights: Mapping[str, float] = field(default_factory=dict)
    how: Literal["linear", "chebyshev"] = "linear"
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        self._inner = made(self.strategy)
        self.strategy = described(self._inner)
        self.weights = checked_numbers("weights", self.weights)
        if self.how not in ("linear", "chebyshev"):
            raise ConfigError(f"how must be 'linear' or 'chebyshev', got {self.how!r}.")
        self.ranges = _checked_ranges(self.ranges)
        if self.seed is not None:
            checked_seed(self.seed)

    def accept(self, offer: Offer) -> None:
        super().accept(offer)
        require_objectives("weights", self.weights, offer.objectives)
        require_objectives("ranges", self.ranges, offer.objectives)
        if offer.objectives and not any(map(self._weight, offer.objectives)):
            raise ConfigError(
                "At least one objective's weight must be above 0, got 0 for all of them."
            )
        self._inner.accept(offer)

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self._objectives = self._offer.objectives or (objective,)
        raw = [self._weight(o) for o in self._objectives]
        self._shares = [weight / (sum(raw) or 1.0) for weight in raw]
        fixed = [_span(self.ranges.get(o.metric), o) for o in self._objectives]
        self._combined = CombinedObjective(self._inner, self._combine, fixed, self._entropy)
        self._combined.start(space, self._offer)

    def ask(self, number: int) -> Proposal | None:
        return self._combined.ask(number)

    def tell(self, trial: Trial) -> None:
        gains = [self._gain(trial, objective) for objective in self._objectives]
        known = tuple(gain for gain in gains if gain is not None)
        self._combined.tell(trial, known if len(known) == len(gains) else None)

    def _weight(self, objective: Objective) -> float:
        return float(self.weights.get(objective.metric, 1.0))

    def _combine(self, gains: Gains, spans: Sequence[Span]) -> float:
        missing = [
            weight * (1.0 - position(gain, span))
            for weight, gain, span in zip(self._shares, gains, spans, strict=True)
        ]
        total = sum(missing)
        return 1.0 - total if self.how == "linear" else -max(missing) - _RHO * total


def checked_numbers(name: str, given: object) -> dict[str, float]:
    """Give a mapping of metrics to numbers. Raises `ConfigError` unless they are from 0 on."""
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{name} is a mapping of metrics to numbers, such as {{accuracy: 1}}, got {given!r}."
        )
    for metric, value in given.items():
        check_number(f"{name}[{metric}]", value, 0)
    return dict(given)


def require_objectives(
    name: str, given: Mapping[str, object], objectives: Sequence[Objective]
) -> None:
    """Raise `ConfigError` if a setting names a metric that is no objective of the search."""
    known = [objective.metric for objective in objectives]
    for metric in given:
        if known and metric not in known:
            raise ConfigError(
                f"{name} may name objectives of the search only, but {metric!r} is none: "
                f"{did_you_mean(metric, known)}."
            )


def _checked_ranges(given: object) -> dict[str, list[float]]:
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"ranges is a mapping of metrics to [low, high], such as {{params: [0, 1000000]}}, "
            f"got {given!r}."
        )
    for metric, span in given.items():
        match span:
            case [int() | float() as low, int() | float() as high] if low < high:
                continue
        raise ConfigError(f"A range is [low, high] with low < high, {metric!r} has {span!r}.")
    return {metric: list(span) for metric, span in given.items()}


def _span(given: Sequence[float] | None, objective: Objective) -> Span | None:
    if given is None:
        return None
    low, high = sorted(map(objective.gain, given))
    return low, high
