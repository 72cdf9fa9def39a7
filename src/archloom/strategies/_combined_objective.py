"""Several objectives told to a strategy as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, final

from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies._strategy import Offer, Strategy
from archloom.trial import Proposal, Trial

COMBINED: Final = Objective("combined")

Gains: TypeAlias = tuple[float, ...]
Span: TypeAlias = tuple[float, float]
Combine: TypeAlias = Callable[[Gains, Sequence[Span]], float]
"""Give one number, larger being better, of a trial's gains and their least and largest so far."""


@final
class CombinedObjective:
    """Tells a strategy one number for the objectives' gains, in units of their spans so far.

    A trial outside the spans moves them, and with them the numbers of all trials: then the
    strategy starts anew and is told all of them again. So what it knows depends on the told trials
    alone. `fixed` are spans that stay, None for those to be learned. A gain that is not finite
    makes the number NaN, and moves nothing.
    """

    def __init__(
        self, inner: Strategy, combine: Combine, fixed: Sequence[Span | None], seed: int
    ) -> None:
        self._inner = inner
        self._combine = combine
        self._fixed = fixed
        self._seed = seed
        self._spans: list[Span] = [span or (math.inf, -math.inf) for span in fixed]
        self._told: list[tuple[Trial, Gains | None]] = []

    def start(self, space: Space, offer: Offer) -> None:
        """Set the strategy up."""
        self._space = space
        self._inner.accept(replace(offer, objectives=(COMBINED,)))
        self._inner.setup(space, COMBINED, self._seed)

    def ask(self, number: int) -> Proposal | None:
        """Ask the strategy."""
        return self._inner.ask(number)

    def tell(self, trial: Trial, gains: Gains | None) -> None:
        """Tell the strategy of a trial; `gains` are None for one without a score."""
        self._told.append((trial, gains))
        if gains is not None and self._widen(gains):
            self._inner.setup(self._space, COMBINED, self._seed)
            for earlier, known in self._told:
                self._pass(earlier, known)
        else:
            self._pass(trial, gains)

    def _pass(self, trial: Trial, gains: Gains | None) -> None:
        if gains is not None:
            finite = all(map(math.isfinite, gains))
            value = self._combine(gains, self._spans) if finite else math.nan
            trial = replace(trial, metrics={**trial.metrics, COMBINED.metric: value})
        self._inner.tell(trial)

    def _widen(self, gains: Gains) -> bool:
        """Let the spans hold the gains; say whether they had to change."""
        before = list(self._spans)
        if all(map(math.isfinite, gains)):
            self._spans = [
                fixed or (min(low, gain), max(high, gain))
                for fixed, (low, high), gain in zip(self._fixed, before, gains, strict=True)
            ]
        return self._spans != before


def position(gain: float, span: Span) -> float:
    """Give where a gain lies: 0 for the worst and 1 for the best of the span, 1 where all equal."""
    low, high = span
    return (gain - low) / (high - low) if high > low else 1.0
