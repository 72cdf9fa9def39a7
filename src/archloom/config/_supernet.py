"""The stages of a one-shot method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archloom.config._parts import evolution_for, strategy_of, train_of
from archloom.config._settings import RetrainConfig, SearchConfig, named
from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.plugins import find

if TYPE_CHECKING:
    from archloom.estimators import CrossValidate, Train
    from archloom.nn import ModelSpace
    from archloom.stages import OneShot, Stage
    from archloom.task import Task


def supernet_stages(config: SearchConfig, task: Task, space: ModelSpace) -> list[Stage]:
    """Give the stages that train a supernet and, where its method only samples, search it."""
    from archloom.estimators import Cost, combine
    from archloom.stages import BlackBox

    _require_no_trial_settings(config)
    stage, search = _one_shot(config, task)
    stage.gates.setup(space.with_hints(task.hints).space, config.seed)
    if stage.gates.derive() is not None:
        if search is not None:
            raise ConfigError(
                "`strategy.search` searches with the weights of a supernet, and this method "
                "derives an architecture itself: leave it out."
            )
        if config.warm_start:
            raise ConfigError(
                "`warm_start` begins a search with architectures of earlier runs, and this method "
                "derives one itself: leave it out."
            )
        return [stage]
    goals = {Objective.parse(text).metric for text in config.objectives or ()}
    estimator = combine(stage.inherited, Cost.giving(goals))
    trials = config.trials if "trials" in config.model_fields_set else _SCORED
    strategy = strategy_of(search or evolution_for({}, trials), trials, config.warm_start)
    return [stage, BlackBox(strategy, estimator, trials=trials, keep=config.keep)]


_SCORED = 100  # architectures: a score with inherited weights takes a fraction of a second


_MOST_EPOCHS = 50  # unless more are asked for; papers say up to 310


_SHARED = ("augment", "augment_strength", "label_smoothing", "amp", "channels_last")


def _one_shot(config: SearchConfig, task: Task) -> tuple[OneShot, Any]:
    """Give the stage of the method, and the strategy that is to search with its weights."""
    from archloom.oneshot import Monitor, rebuild_gates, setting_names
    from archloom.stages import OneShot

    name, settings = named(config.strategy or {}, "strategy")
    search = settings.pop("search", None)
    of_method = setting_names(find("methods", name))
    of_stage = [n for n in OneShot.__dataclass_fields__ if n not in ("gates", "name", "train")]
    for setting in settings:
        if setting not in (*of_method, *of_stage):
            names = (*of_method, *of_stage, "search")
            raise ConfigError(
                f"The method {name!r} has no setting {setting!r}: {did_you_mean(setting, names)}."
            )
    own = {key: settings.pop(key) for key in of_method if key in settings}
    gates = rebuild_gates({"name": name, **own})
    shared = {key: config.train[key] for key in _SHARED if key in config.train}
    epochs = config.train.get("epochs") or min(_MOST_EPOCHS, gates.traits.epochs)
    monitor = settings.pop("monitor", True)
    settings["monitor"] = Monitor() if monitor is True else monitor or None
    settings = {"epochs": epochs, **shared, **settings}
    return OneShot(gates, train=train_of(config, task), **settings), search


def after_supernet(
    config: SearchConfig, retrain: RetrainConfig, task: Task
) -> tuple[Train | CrossValidate, int]:
    """Give what the architectures found are trained with, and for how many epochs."""
    from archloom.estimators import CrossValidate

    train = train_of(config, task, {"seconds": None, "fraction": 1.0, **retrain.train})
    longer = 1 if "epochs" in retrain.train else 4
    epochs = retrain.epochs or longer * train.epochs
    return (train if retrain.folds is None else CrossValidate(train, retrain.folds)), epochs


def _require_no_trial_settings(config: SearchConfig) -> None:
    """Refuse what only makes sense where each candidate is trained."""
    given = {
        "folds": config.folds is not None,
        "repeats": config.repeats != 1,
        "estimator": config.estimator != "train",
        "stopper": config.stopper is not None,
        "screen": config.screen is not False,
    }
    for setting, there in given.items():
        if there:
            raise ConfigError(
                f"A one-shot method trains one supernet, not each candidate, so there is nothing "
                f"for `{setting}` to do: leave it out, or set it below `retrain` where it may be "
                f"(`retrain: {{folds: 5}}`)."
            )
