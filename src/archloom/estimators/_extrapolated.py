"""Extrapolated: train for a while and judge an architecture by where its curve leads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from archloom.curves import DRIFT, LEAST, extrapolate
from archloom.errors import ConfigError, did_you_mean
from archloom.estimators._base import Candidate
from archloom.estimators._check import check_estimator
from archloom.estimators._train import OUTPUTS, WEIGHTS, Train
from archloom.objective import Objective
from archloom.space import Space
from archloom.train import CHECKPOINT


@dataclass(frozen=True)
class Extrapolated:
    """Train the first `share` of the epochs and give what the last one is expected to reach.

    The schedule is that of all epochs of `train`, and at least three of them are trained. The
    metric, the task's main one unless `metric` names another, is extrapolated from those epochs,
    see `archloom.curves.extrapolate` (Domhan, Springenberg and Hutter, IJCAI 2015); with
    `train.restore_best` it is never worse than the best epoch seen. Besides there are `METRIC_std`,
    how sure that is, `METRIC_seen`, what was reached, and the other metrics as they were then.

    No curve shows beforehand by how much it will jump when the learning rate falls: values are
    low rather than high, for all architectures alike, and `drift` widens `METRIC_std` for it. Since
    the value is not that of the weights, none are left: retrain the best.

    Raises:
        ConfigError: for a share outside (0, 1), a training by `seconds`, or with its data as
            fidelity; when called for a metric that the task does not have.

    >>> Extrapolated(Train(epochs=20), share=0.5).epochs_of(20)
    10
    """

    train: Train = field(default_factory=Train)
    share: float = 0.3
    metric: str | None = None
    drift: float = DRIFT

    def __post_init__(self) -> None:
        if not isinstance(self.train, Train):
            raise ConfigError(f"Extrapolated trains with a `Train`, got {self.train!r}.")
        _check_number("share", self.share, 1.0)
        _check_number("drift", self.drift, math.inf)
        if self.train.seconds is not None or self.train.fidelity != "epochs":
            raise ConfigError(
                f"Extrapolated cuts a schedule of epochs, got seconds={self.train.seconds} and "
                f"fidelity={self.train.fidelity!r}: set them to None and 'epochs'."
            )

    def epochs_of(self, epochs: int) -> int:
        """Give how many of so many epochs are trained."""
        return min(epochs, max(LEAST, math.ceil(self.share * epochs - 1e-9)))

    def check(self, space: Space) -> None:
        """Raise `ConfigError` if the training does not fit the space."""
        check_estimator(self.train, space)

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Train a part of the epochs and give metrics with the extrapolated one among them."""
        metric = self._metric(candidate)
        recipe = self.train.recipe_for(candidate)
        trained = self.epochs_of(recipe.epochs)
        if trained == recipe.epochs:
            whole = self.train(candidate)
            return {**whole, f"{metric}_std": 0.0, f"{metric}_seen": whole[metric]}
        curve: dict[int, float] = {}

        def report(step: int, metrics: Mapping[str, float]) -> None:
            curve[step] = metrics[metric]
            candidate.report(step, metrics)

        part = replace(candidate, budget=trained / recipe.epochs, report=report)
        result = self.train(part)
        if len(curve) < LEAST:  # out of patience: nothing is left to come
            forecast = result[metric], 0.0
        else:
            forecast = extrapolate(
                list(curve), list(curve.values()), recipe.epochs, drift=self.drift
            )
        for name in (WEIGHTS, OUTPUTS, CHECKPOINT):
            (candidate.files / name).unlink(missing_ok=True)
        value = _possible(forecast[0], list(curve.values()), metric)
        if recipe.restore_best:
            value = max(value, result[metric], key=Objective.parse(metric).gain)
        return {
            **result,
            metric: value,
            f"{metric}_std": forecast[1],
            f"{metric}_seen": result[metric],
        }

    def _metric(self, candidate: Candidate) -> str:
        task = candidate.task
        metric = self.metric or task.main_metric
        if metric not in task.metric_names:
            raise ConfigError(
                f"Extrapolated follows a validation metric, got {metric!r}: "
                f"{did_you_mean(metric, task.metric_names)}."
            )
        return metric


def _possible(value: float, seen: list[float], metric: str) -> float:
    """Keep shares below 1 and losses above 0, where all that was seen lay there."""
    if Objective.parse(metric).direction == "max":
        return min(value, 1.0) if max(seen) <= 1.0 else value
    return max(value, 0.0) if min(seen) >= 0.0 else value


def _check_number(name: str, value: object, below: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    low = name == "drift" and value == 0
    if not number or not (low or 0 < float(value) < below):  # type: ignore[arg-type]
        raise ConfigError(
            f"{name} of Extrapolated must lie between 0 and {below:g}, got {value!r}."
        )
