"""Make a stage again from the description that the record holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import CrossValidate, Train, rebuild_estimator
from archloom.stages._black_box import BlackBox
from archloom.stages._ensemble import Ensemble
from archloom.stages._one_shot import OneShot
from archloom.stages._retrain import Retrain
from archloom.stages._screen import Screen
from archloom.stages._stage import Stage
from archloom.stages._test import Test
from archloom.strategies import made


def rebuild(description: Mapping[str, Any]) -> Stage:
    """Give the stage whose `describe` gave this.

    Raises:
        ConfigError: for a kind, strategy or estimator that is not known here.
    """
    settings = dict(description)
    kind = settings.pop("kind")
    if kind == "Test":
        return Test(**settings)
    if kind == "Retrain":
        inner = settings.pop("estimator")
        estimator = None if inner is None else rebuild_estimator(inner)
        if estimator is not None and not isinstance(estimator, Train | CrossValidate):
            raise ConfigError(f"Retrain trains with a `Train` or `CrossValidate`, got {inner}.")
        return Retrain(estimator=estimator, **settings)
    if kind == "OneShot":
        return OneShot.rebuild(settings)
    if kind == "Ensemble":
        return Ensemble(**settings)
    if kind == "Screen":
        inner = {name: settings.pop(name) for name in ("cheap", "estimator")}
        made_of = {name: given and rebuild_estimator(given) for name, given in inner.items()}
        return Screen(**made_of, **settings)
    if kind == "BlackBox":
        strategy = settings.pop("strategy")
        estimator = rebuild_estimator(settings.pop("estimator"))
        return BlackBox(made(strategy), estimator, **settings)
    raise ConfigError(
        f"The record names a stage of kind {kind!r}: "
        f"{did_you_mean(kind, ['BlackBox', 'Ensemble', 'OneShot', 'Retrain', 'Screen', 'Test'])}"
    )
