"""Several estimators as one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from archloom.errors import ConfigError, Stopped
from archloom.estimators._base import Candidate, Estimator, checked_metrics
from archloom.estimators._budgets import WHOLE, budgets_of, common_budgets, continues
from archloom.estimators._check import check_estimator
from archloom.estimators._once import run_once
from archloom.space import Space


@dataclass(frozen=True)
class Combined:
    """Run the estimators in order and merge their metrics: what `combine` gives.

    A metric that two of them give must be the same number in both. After a restart those that
    had finished are not run again.
    """

    estimators: tuple[Estimator, ...]

    def __post_init__(self) -> None:
        flat: list[Estimator] = []
        for estimator in self.estimators:
            if isinstance(estimator, Combined):
                flat.extend(estimator.estimators)
            elif callable(estimator):
                flat.append(estimator)
            else:
                raise ConfigError(
                    f"An estimator is called with a candidate, got {estimator!r} of type "
                    f"{type(estimator).__name__}."
                )
        if not flat:
            raise ConfigError("combine needs at least one estimator, got none.")
        object.__setattr__(self, "estimators", tuple(flat))

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the merged metrics."""
        merged: dict[str, float] = {}
        for number in range(len(self.estimators)):
            try:
                result = self._part(number, candidate)
            except Stopped as stopped:
                rest = self._without_effort(number + 1, candidate)
                raise Stopped(str(stopped), {**stopped.metrics, **rest, **merged}) from stopped
            _require_agreement(merged, result)
            merged |= result
        return merged

    def _part(self, number: int, candidate: Candidate) -> dict[str, float]:
        estimator = self.estimators[number]
        if number == len(self.estimators) - 1:
            return checked_metrics(estimator(candidate))
        return run_once(estimator, candidate, candidate.files / f"part{number}.json")

    def _without_effort(self, first: int, candidate: Candidate) -> dict[str, float]:
        """Give what the estimators from `first` on say of a stopped trial, those that train aside.

        Such as costs, which may be objectives.
        """
        found: dict[str, float] = {}
        for number in range(first, len(self.estimators)):
            if budgets_of(self.estimators[number]) == WHOLE:
                with suppress(Stopped):
                    found |= self._part(number, candidate)
        return found

    def check(self, space: Space) -> None:
        """Raise `ConfigError` if one of the estimators does not fit the space."""
        for estimator in self.estimators:
            check_estimator(estimator, space)

    def budgets(self) -> tuple[float, ...]:
        """Give the budgets that all of the estimators offer, save those that have none."""
        return common_budgets(self.estimators)

    @property
    def continues(self) -> bool:
        """Whether all of them go on from a promoted trial's parent."""
        return all(continues(e) for e in self.estimators if len(budgets_of(e)) > 1)


def combine(*estimators: Estimator) -> Combined:
    """Give an estimator that runs all of these on a candidate and merges their metrics.

    Raises:
        ConfigError: here for something that cannot be called, and when called for a metric that
            two of them give differently.

    >>> from archloom.estimators import Cost, Train
    >>> len(combine(Train(epochs=3), Cost()).estimators)
    2
    """
    return Combined(estimators)


def _require_agreement(merged: dict[str, float], result: dict[str, float]) -> None:
    for name in merged.keys() & result.keys():
        if merged[name] != result[name]:
            raise ConfigError(
                f"Combined estimators must not give one metric two values, got {name!r} = "
                f"{merged[name]:g} and {result[name]:g}: rename it in one of them."
            )
