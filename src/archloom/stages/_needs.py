"""What an estimator needs of the stages before its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import Combined, Estimator, Inherited, Repeat
from archloom.stages._lab import Lab


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
