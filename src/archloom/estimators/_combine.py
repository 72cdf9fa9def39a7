"""Several estimators as one."""

from __future__ import annotations

from dataclasses import dataclass

from archloom.errors import ConfigError
from archloom.estimators._base import Candidate, Estimator, checked_metrics
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
        for number, estimator in enumerate(self.estimators):
            last = number == len(self.estimators) - 1
            path = candidate.files / f"part{number}.json"
            result = (
                checked_metrics(estimator(candidate))
                if last
                else run_once(estimator, candidate, path)
            )
            _require_agreement(merged, result)
            merged |= result
        return merged

    def check(self, space: Space) -> None:
        """Raise `ConfigError` if one of the estimators does not fit the space."""
        for estimator in self.estimators:
            check_estimator(estimator, space)


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
