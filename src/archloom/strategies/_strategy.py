"""Strategy: says which architecture to try next."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.objective import Constraint, Objective
from archloom.space import Space
from archloom.trial import Proposal, Trial


@dataclass(frozen=True)
class Offer:
    """What a search has for a strategy beyond the space and the first objective.

    `objectives` are all of them. `budgets` are the shares of the full effort that the estimator can
    spend on a trial, ascending, the last one 1. `first` are architectures worth trying first, best
    first. `features` gives cheap scores of an architecture, always the same ones; `canonical`
    equal values for architectures that compute the same; `feasible` says whether an architecture
    keeps the constraints; `constraints` are these, as limits on the metrics of a rejected trial.
    `trials` is how much work the search will do at most, in full evaluations. Each is None (or
    empty) where there is no such thing or it is not known.
    """

    objectives: tuple[Objective, ...] = ()
    budgets: tuple[float, ...] = (1.0,)
    first: tuple[Architecture, ...] = ()
    features: Callable[[Architecture], Mapping[str, float]] | None = None
    canonical: Callable[[Architecture], Hashable] | None = None
    feasible: Callable[[Architecture], bool] | None = None
    constraints: tuple[Constraint, ...] = ()
    trials: int | None = None


class Strategy(ABC):
    """Which architecture to try next, learned only from the trials that it is told.

    Write one as a dataclass whose fields are its settings, `seed: int | None = None` among them.
    Two rules make a search resumable without storing the strategy: `ask` changes nothing, and what
    it answers depends on the settings, the number and the told trials alone. The published
    `archloom.testing.StrategyContract` tests both.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Blind(Strategy):
    ...     seed: int | None = None
    ...
    ...     def ask(self, number):
    ...         return Proposal(self._space.sample(self._rng(number)))
    ...
    ...     def tell(self, trial):
    ...         pass
    """

    seed: int | None = None
    _space: Space
    _objective: Objective
    _entropy: int
    _offer: Offer = Offer()

    def accept(self, offer: Offer) -> None:
        """Take note of what the search has to offer: called before `setup`, which keeps it.

        Strategies that need something of it override this method, call it, and raise
        `ConfigError` where it is missing.
        """
        self._offer = offer

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        """Start anew on a space: forget all told trials. The strategy's own seed, if set, wins.

        Overriding methods call this one and then clear their own state.
        """
        self._space = space
        self._objective = objective
        self._entropy = checked_seed(seed if self.seed is None else self.seed)

    @abstractmethod
    def ask(self, number: int) -> Proposal | None:
        """Give the proposal for trial `number`, or None when nothing is left to try."""

    @abstractmethod
    def tell(self, trial: Trial) -> None:
        """Take note of a trial: called when it starts and again when it ends, however it ends."""

    def _rng(self, number: int) -> np.random.Generator:
        """Give the random numbers of one `ask`."""
        return np.random.default_rng([self._entropy, number])

    def _gain(self, trial: Trial, objective: Objective | None = None) -> float | None:
        """Give the objective's value with larger being better, None for a trial without a score.

        NaN counts as minus infinity. `objective` is that of `setup` unless given.

        Raises:
            ConfigError: when a scored trial did not report the objective's metric.
        """
        if not trial.state.scored:
            return None
        objective = objective or self._objective
        metric = objective.metric
        if metric not in trial.metrics:
            raise ConfigError(
                f"The objective's metric must be reported by every trial, but trial "
                f"{trial.number} gave no {metric!r}. It reported: "
                f"{', '.join(sorted(trial.metrics)) or 'nothing'}."
            )
        return objective.gain(trial.metrics[metric])


def checked_seed(seed: int) -> int:
    """Give the seed back. Raises `ConfigError` unless it is a whole number from 0 on."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"A seed must be an int of at least 0, got {seed!r}.")
    return int(seed)


def check_whole(name: str, value: int, low: int = 1) -> None:
    """Raise `ConfigError` unless a setting is an int of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(f"{name} must be an int of at least {low}, got {value!r}.")


def check_flag(name: str, value: bool) -> None:
    """Raise `ConfigError` unless a setting is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}.")


def check_number(
    name: str, value: float, low: float, high: float = math.inf, *, above: bool = False
) -> None:
    """Raise `ConfigError` unless a setting is finite, from `low` (or above it) to `high`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and low <= value <= high and not (above and value == low):
        return
    least = f"above {low:g}" if above else f"of at least {low:g}"
    most = "" if high == math.inf else f" and at most {high:g}"
    raise ConfigError(f"{name} must be a number {least}{most}, got {value!r}.")
