"""The experiment that settings describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from archloom.config._parts import estimator_of, made, retraining_of, strategy_of, train_of
from archloom.config._settings import RetrainConfig, SearchConfig, named
from archloom.config._space import default_folder, make_space, method_of
from archloom.config._supernet import after_supernet, supernet_stages
from archloom.errors import ConfigError
from archloom.plugins import find

if TYPE_CHECKING:
    from archloom.experiment import Experiment
    from archloom.journal import Event
    from archloom.nn import ModelSpace
    from archloom.stages import BlackBox, Stage
    from archloom.study import Study
    from archloom.task import Task


def make_experiment(
    config: SearchConfig,
    task: Task | None = None,
    *,
    progress: str | bool | Callable[[Event, Study], None] = "auto",
) -> Experiment:
    """Put the experiment together that the settings describe, on `task` or else on their data.

    Raises:
        ConfigError: for settings that do not fit, and without data or a task.
    """
    from archloom.experiment import Experiment

    if task is None:
        task = _load_task(config)
    space = make_space(config, task)
    return Experiment(
        space,
        task,
        _stages(config, task, space),
        config.out or default_folder(space, task),
        objectives=config.objectives or [task.main_metric],
        constraints=config.constraints,
        seed=config.seed,
        minutes=config.minutes,
        device=config.device,
        max_failures=config.max_failures,
        progress=progress,
        workers=config.workers,
    )


def _load_task(config: SearchConfig) -> Task:
    from archloom.task import load

    if config.data is None:
        raise ConfigError("A search needs data: set `data` to a name or a file, or hand a task in.")
    name, options = named(config.data, "data")
    return load(name, **options)


def _stages(config: SearchConfig, task: Task, space: ModelSpace) -> list[Stage]:
    from archloom.stages import Ensemble, Retrain, Test

    stages: list[Stage] = []
    retrain = RetrainConfig() if config.retrain is True else config.retrain
    if method_of(config) is not None:
        stages += supernet_stages(config, task, space)
        if retrain:
            estimator, epochs = after_supernet(config, retrain, task)
            stages.append(Retrain(retrain.top, epochs, estimator))
    else:
        stages += [*_screening(config, task), _search(config, task)]
        if retrain:
            again = retraining_of(config, retrain, task)
            stages.append(Retrain(retrain.top, retrain.epochs, again))
    if config.ensemble is not False:
        settings = {} if config.ensemble is True else config.ensemble
        stages.append(made(Ensemble, settings, "section `ensemble`"))
    if config.test:
        stages.append(Test())
    return stages


def _search(config: SearchConfig, task: Task) -> BlackBox:
    from archloom.stages import BlackBox
    from archloom.stoppers import made as stopper_of

    return BlackBox(
        strategy_of(config.strategy or {}, config.trials, config.warm_start),
        estimator_of(config, task),
        trials=config.trials,
        keep=config.keep,
        stopper=None if config.stopper is None else stopper_of(config.stopper),
    )


def _screening(config: SearchConfig, task: Task) -> list[Stage]:
    """Give the stage that chooses what the search begins with, where it is asked for."""
    from archloom.estimators import Train, from_config
    from archloom.stages import Screen

    if config.screen is False:
        return []
    settings = {} if config.screen is True else dict(config.screen)
    if "check" in settings:
        settings["checks"] = settings.pop("check")
    for role in ("cheap", "estimator"):
        if settings.get(role) is not None:
            name, given = named(settings[role], f"screen.{role}")
            trains = find("estimators", name) is Train
            settings[role] = train_of(config, task, given) if trains else from_config(name, given)
    return [made(Screen, settings, "section `screen`")]
