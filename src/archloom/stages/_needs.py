"""What an estimator needs of the stages before its own, and a stopper of the estimator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import Combined, Estimator, Inherited, Repeat, describe, reported_metrics
from archloom.stages._lab import Lab
from archloom.stoppers import Stopper


def require_supernets(estimator: Estimator, stage: str, lab: Lab) -> None:
    """Raise `ConfigError` unless each supernet to inherit from is trained by an earlier stage."""
    before: list[Any] = []
    for other in lab.stages:
        if other.name == stage:
            break
        before.append(other)
    trained = [other.name for other in before if hasattr(other, "gates")]
    for inherited in _inherited(estimator):
        if inherited.stage not in trained:
            raise ConfigError(
                f"The stage {stage!r} scores with weights of a supernet {inherited.stage!r}, and "
                f"no stage before it trains one of that name: "
                + (
                    f"{did_you_mean(inherited.stage, trained)}."
                    if trained
                    else f"put OneShot(Uniform(), name={inherited.stage!r}) first."
                )
            )


def require_reports(stopper: Stopper | None, estimator: Estimator, lab: Lab) -> None:
    """Raise `ConfigError` if a stopper would never hear of the first objective."""
    reported = reported_metrics(estimator, lab.task)
    objective = lab.objectives[0].metric
    if stopper is None or reported is None or objective in reported:
        return
    if not reported:
        raise ConfigError(
            f"A stopper judges by what trials report while they run, and {describe(estimator)} "
            f"reports nothing: leave the stopper out."
        )
    raise ConfigError(
        f"A stopper judges by what trials report of the first objective, and {objective!r} is "
        f"not reported: {did_you_mean(objective, reported)}. Put one of these first, or leave "
        f"the stopper out."
    )


def inherits(estimator: Estimator) -> bool:
    """Whether an estimator scores with a supernet's weights."""
    return any(True for _ in _inherited(estimator))


def _inherited(estimator: Any) -> Iterator[Inherited]:
    match estimator:
        case Inherited():
            yield estimator
        case Combined():
            for part in estimator.estimators:
                yield from _inherited(part)
        case Repeat():
            yield from _inherited(estimator.estimator)
