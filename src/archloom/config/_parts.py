"""Strategy, estimator and training, as the settings have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archloom.config._settings import Named, RetrainConfig, SearchConfig, named
from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.plugins import find

if TYPE_CHECKING:
    from archloom.estimators import Train
    from archloom.strategies import Strategy
    from archloom.task import Task


def strategy_of(given: Named, trials: int, runs: Sequence[str] = ()) -> Strategy:
    """Make the strategy of a search of so many trials, begun with the best of earlier runs."""
    from archloom.strategies import WarmStart, best_of, made

    strategy = made(_filled(given, trials))
    if not runs:
        return strategy
    top = max(1, min(5, trials // (2 * len(runs))))  # half of the trials are left to search
    return WarmStart(strategy, best_of(runs, top))


def _filled(given: Named, trials: int) -> dict[str, Any]:
    """Give name and settings of a strategy, with defaults that suit the number of trials."""
    given = given or "predictor"
    if isinstance(given, dict) and "name" not in given:
        given = evolution_for(given, trials)
    name, settings = named(given, "strategy")
    known = getattr(find("strategies", name), "__dataclass_fields__", {})
    if "start" in known:  # random trials; the rest is led by what they tell
        settings.setdefault("start", max(3, min(10, trials // 3)))
    inner = settings.get("strategy", {})
    if "strategy" in known and isinstance(inner, str | dict):  # the one that does the search
        settings["strategy"] = _filled(inner or evolution_for({}, trials), trials)
    return {"name": name, **settings}


def evolution_for(given: Mapping[str, Any], trials: int) -> dict[str, Any]:
    """Fill a third of the trials into the population, so that there are trials left to evolve."""
    population = given.get("population", max(4, min(20, trials // 3)))
    default = {"name": "evolution", "population": population, "sample": population // 2 or 1}
    return {**default, **given}


def estimator_of(config: SearchConfig, task: Task) -> Any:
    """Make what judges the candidates of the search."""
    from archloom.estimators import (
        Cost,
        CrossValidate,
        Extrapolated,
        Repeat,
        Train,
        combine,
        from_config,
    )

    name, settings = named(config.estimator, "estimator")
    make = find("estimators", name)
    if make in (Train, Extrapolated):
        estimator: Any = _training(config, task, make, settings)
        if config.folds is not None:
            estimator = CrossValidate(estimator, config.folds, config.repeats)
        elif config.repeats > 1:
            estimator = Repeat(estimator, times=config.repeats)
        goals = {Objective.parse(text).metric for text in config.objectives or ()}
        return combine(estimator, Cost.giving(goals))
    return from_config(name, settings)


def _training(config: SearchConfig, task: Task, make: Any, settings: dict[str, Any]) -> Any:
    """Give the training of a trial, or what trains a part of it, with the file's settings."""
    from archloom.estimators import Train

    if make is Train:
        return train_of(config, task, settings)
    if config.folds is not None:
        raise ConfigError(
            "`folds` cross-validates a whole training, and `extrapolated` trains a part: leave "
            "one of them out."
        )
    train = train_of(config, task, settings.pop("train", None))
    return made(make, {**settings, "train": train}, "estimator 'extrapolated'")


def retraining_of(config: SearchConfig, retrain: RetrainConfig, task: Task) -> Any:
    """Give what the best are trained with, None for what the search trains with."""
    from archloom.estimators import CrossValidate

    if not retrain.train and retrain.folds is None:
        return None
    # a budget and a share of the data are the search's own; the rest carries over
    train = train_of(config, task, {"seconds": None, "fraction": 1.0, **retrain.train})
    return train if retrain.folds is None else CrossValidate(train, retrain.folds)


def train_of(config: SearchConfig, task: Task, changes: Mapping[str, Any] | None = None) -> Train:
    from archloom.estimators import Train

    # About 200,000 images seen in each trial: enough to rank architectures, short on small sets.
    epochs = max(3, min(20, round(200_000 / max(len(task.train), 1))))
    settings = {"epochs": epochs, **config.train, **(changes or {})}
    train: Train = made(Train, settings, "section `train`")
    return train


def made(make: Any, settings: Mapping[str, Any], what: str) -> Any:
    """Construct a dataclass of settings; a setting that it does not have is named."""
    fields = getattr(make, "__dataclass_fields__", None)
    for name in settings:
        if fields is not None and name not in fields:
            raise ConfigError(f"The {what} has no setting {name!r}: {did_you_mean(name, fields)}.")
    return make(**settings)
