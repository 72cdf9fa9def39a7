"""The settings of a search, from one YAML file and flags, and the experiment they describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.plugins import find, known, load

if TYPE_CHECKING:
    from archloom.estimators import CrossValidate, Train
    from archloom.experiment import Experiment
    from archloom.journal import Event
    from archloom.nn import ModelSpace
    from archloom.stages import OneShot, Stage
    from archloom.strategies import Strategy
    from archloom.study import Study
    from archloom.task import Task

Named = str | dict[str, Any]

_ONE_OR_MORE = BeforeValidator(lambda given: [given] if isinstance(given, str) else given)


class _Loader(yaml.SafeLoader):
    """Plain data, with 1e-3 read as the number that people mean (YAML 1.1 wants 1.0e-3)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_yaml(text: str) -> Any:
    """Read YAML as plain data.

    >>> load_yaml("{lr: 1e-3, name: x}")
    {'lr': 0.001, 'name': 'x'}
    """
    return yaml.load(text, _Loader)


class RetrainConfig(BaseModel):
    """How the best architectures are trained again; `train` changes settings of the search.

    `folds` cross-validates them, also where the search did not.
    """

    model_config = ConfigDict(extra="forbid")

    top: int = 1
    epochs: int | None = None
    folds: int | None = Field(default=None, ge=2)
    train: dict[str, Any] = Field(default_factory=dict)


class SearchConfig(BaseModel):
    """All settings of `archloom search`. What is not set gets a default that fits the data."""

    model_config = ConfigDict(extra="forbid")

    data: Named | None = None
    space: Named | None = None
    pinned: dict[str, Any] = Field(default_factory=dict)
    joint: dict[str, Any] = Field(default_factory=dict)
    strategy: Named | None = None
    warm_start: Annotated[list[str], _ONE_OR_MORE] = Field(default_factory=list)
    screen: bool | dict[str, Any] = False
    estimator: Named = "train"
    stopper: Named | None = None
    trials: int = 20
    train: dict[str, Any] = Field(default_factory=dict)
    repeats: int = 1
    folds: int | None = Field(default=None, ge=2)
    retrain: RetrainConfig | bool = Field(default_factory=RetrainConfig)
    ensemble: bool | dict[str, Any] = False
    test: bool = True
    objectives: Annotated[list[str] | None, _ONE_OR_MORE] = Field(default=None, min_length=1)
    constraints: Annotated[list[str], _ONE_OR_MORE] = Field(default_factory=list)
    seed: int = 0
    minutes: float | None = None
    device: str = "auto"
    workers: int = Field(default=1, ge=1)
    keep: int = 3
    max_failures: int = 5
    out: str | None = None


def read_config(path: Path | None, flags: Mapping[str, Any]) -> SearchConfig:
    """Merge a YAML file with flags (which win) and check names and types of all settings.

    Raises:
        ConfigError: for a file that cannot be read and for every setting that does not fit.
    """
    settings = {} if path is None else _read_yaml(path)
    for key, value in flags.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = {**_as_mapping(settings.get(key)), **value}
        settings[key] = value
    if "data" not in settings:
        raise ConfigError("A search needs data: pass --data NAME_OR_FILE, or `data:` in the file.")
    return checked_config(settings)


def checked_config(settings: Mapping[str, Any]) -> SearchConfig:
    """Check names and types of settings in a dict.

    Raises:
        ConfigError: for every setting that is not known or does not fit.

    >>> checked_config({"trials": 3}).strategy is None
    True
    """
    try:
        return SearchConfig.model_validate(settings)
    except ValidationError as error:
        raise ConfigError("\n".join(_in_words(item) for item in error.errors())) from error


def _as_mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = load_yaml(path.read_text())
    except OSError as error:
        raise ConfigError(f"The file {str(path)!r} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{str(path)!r} must hold settings such as `data: digits`, got {settings!r}."
        )
    return settings


def _in_words(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if part not in _UNION_PARTS)
    if item["type"] == "extra_forbidden":
        known = RetrainConfig if item["loc"][0] == "retrain" else SearchConfig
        name = str(item["loc"][-1])
        return f"There is no setting {where!r}: {did_you_mean(name, known.model_fields)}."
    return f"The setting {where!r} does not fit: {item['msg']}, got {item['input']!r}."


_UNION_PARTS = ("str", "bool", "RetrainConfig", "dict[str,any]")


def _named(value: Named, what: str) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return value, {}
    settings = dict(value)
    if "name" not in settings:
        raise ConfigError(f"`{what}` needs a name, as in `{what}: {{name: ...}}`, got {value!r}.")
    return settings.pop("name"), settings


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
    name, options = _named(config.data, "data")
    return load(name, **options)


def make_space(config: SearchConfig, task: Task) -> ModelSpace:
    """Load the space; without one, the one that `default_space` names for the task's kind.

    For a one-shot method, choices that cannot share weights are pinned to their defaults.

    Raises:
        SpaceError: for a one-shot method, where no choice can share weights.
    """
    from archloom.nn import load_space, unshareable

    name, settings = _named(config.space or default_space(task), "space")
    space = load_space(name, **settings)
    if config.pinned:
        space = space.with_hints(task.hints).pinned(config.pinned)
    if _method(config) is not None:
        space, example = space.with_hints(task.hints), task.example(2)
        pins = unshareable(space, example)
        if pins and not space.pinned(pins).space.labels:
            space.supernet(example=example)  # raises, and says what keeps the choices from sharing
        space = space.pinned(pins)
    return space.joint(**_domains(config.joint)) if config.joint else space


def _domains(joint: Mapping[str, Any]) -> dict[str, Any]:
    """Give what each training setting may be: a list of values, or a range."""
    from archloom.space import integers, log_uniform, uniform

    domains: dict[str, Any] = {}
    for setting, given in joint.items():
        match given:
            case list():
                domains[setting] = given
            case {"low": low, "high": high, **rest} if rest.keys() <= {"log"}:
                whole = isinstance(low, int) and isinstance(high, int)
                draw = log_uniform if rest.get("log") else integers if whole else uniform
                domains[setting] = draw(low, high)
            case _:
                raise ConfigError(
                    f"`joint` gives what a training setting may be, a list of values or a range "
                    f"such as {{low: 1e-4, high: 1e-2, log: true}}; {setting} has {given!r}."
                )
    return domains


def default_space(task: Task) -> str:
    """Name the space for data of the task's kind: `small_cnn` for images, for instance."""
    return _SPACES.get(task.kind, "mlp")


_SPACES = {
    "image": "small_cnn",
    "volume": "convnet",
    "series": "series_net",
    "table": "table_net",
    "text": "text_net",
    "mixed": "mixed_net",
}


def default_folder(space: ModelSpace, task: Task) -> str:
    """A new folder under `runs/`, named after data, space and a running number."""
    stem = f"{task.name}-{space.__name__}".replace("/", "-").replace(" ", "-")
    number = 1
    while Path("runs", f"{stem}-{number}").exists():
        number += 1
    return str(Path("runs", f"{stem}-{number}"))


def _stages(config: SearchConfig, task: Task, space: ModelSpace) -> list[Stage]:
    from archloom.stages import BlackBox, Ensemble, Retrain, Test
    from archloom.stoppers import made as made_stopper

    stages: list[Stage] = []
    retrain = RetrainConfig() if config.retrain is True else config.retrain
    if _method(config) is not None:
        stages += _supernet_stages(config, task, space)
        if retrain:
            estimator, epochs = _after_supernet(config, retrain, task)
            stages.append(Retrain(retrain.top, epochs, estimator))
    else:
        estimator = _estimator(config, task)
        made = _strategy(config.strategy or {}, config.trials, config.warm_start)
        stopper = None if config.stopper is None else made_stopper(config.stopper)
        stages += _screening(config, task)
        stages.append(
            BlackBox(made, estimator, trials=config.trials, keep=config.keep, stopper=stopper)
        )
        if retrain:
            stages.append(Retrain(retrain.top, retrain.epochs, _retraining(config, retrain, task)))
    if config.ensemble is not False:
        settings = {} if config.ensemble is True else config.ensemble
        stages.append(_made(Ensemble, settings, "section `ensemble`"))
    if config.test:
        stages.append(Test())
    return stages


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
            name, given = _named(settings[role], f"screen.{role}")
            trains = find("estimators", name) is Train
            settings[role] = _train(config, task, given) if trains else from_config(name, given)
    return [_made(Screen, settings, "section `screen`")]


# -- one-shot methods --------------------------------------------------------------------------


def _method(config: SearchConfig) -> str | None:
    """Give the name of the one-shot method that the strategy names, None for a strategy.

    Raises:
        ConfigError: for a name that is neither.
    """
    given = config.strategy or {}
    if isinstance(given, dict) and "name" not in given:
        return None
    name, _ = _named(given, "strategy")
    strategies, methods = known("strategies"), known("methods")
    if name in strategies:
        return None
    if name in methods or (":" in name and hasattr(load(name), "probabilities")):
        return name
    if ":" not in name:
        raise ConfigError(
            f"There is no strategy or one-shot method called {name!r}: "
            f"{did_you_mean(name, [*strategies, *methods])}."
        )
    return None


def _supernet_stages(config: SearchConfig, task: Task, space: ModelSpace) -> list[Stage]:
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
    strategy = _strategy(search or _evolution({}, trials), trials, config.warm_start)
    return [stage, BlackBox(strategy, estimator, trials=trials, keep=config.keep)]


_SCORED = 100  # architectures: a score with inherited weights takes a fraction of a second
_MOST_EPOCHS = 50  # unless more are asked for; papers say up to 310
_SHARED = ("augment", "augment_strength", "label_smoothing", "amp", "channels_last")


def _one_shot(config: SearchConfig, task: Task) -> tuple[OneShot, Any]:
    """Give the stage of the method, and the strategy that is to search with its weights."""
    from archloom.oneshot import Monitor, rebuild_gates, setting_names
    from archloom.stages import OneShot

    name, settings = _named(config.strategy or {}, "strategy")
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
    return OneShot(gates, train=_train(config, task), **settings), search


def _after_supernet(
    config: SearchConfig, retrain: RetrainConfig, task: Task
) -> tuple[Train | CrossValidate, int]:
    """Give what the architectures found are trained with, and for how many epochs."""
    from archloom.estimators import CrossValidate

    train = _train(config, task, {"seconds": None, "fraction": 1.0, **retrain.train})
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


def _retraining(config: SearchConfig, retrain: RetrainConfig, task: Task) -> Any:
    """Give what the best are trained with, None for what the search trains with."""
    from archloom.estimators import CrossValidate

    if not retrain.train and retrain.folds is None:
        return None
    # a budget and a share of the data are the search's own; the rest carries over
    train = _train(config, task, {"seconds": None, "fraction": 1.0, **retrain.train})
    return train if retrain.folds is None else CrossValidate(train, retrain.folds)


def _strategy(given: Named, trials: int, runs: Sequence[str] = ()) -> Strategy:
    from archloom.strategies import WarmStart, best_of, made

    strategy = made(_filled(given, trials))
    if not runs:
        return strategy
    top = max(1, min(5, trials // (2 * len(runs))))  # half of the trials are left to search
    return WarmStart(strategy, best_of(runs, top))


def _filled(given: Named, trials: int) -> dict[str, Any]:
    """Give name and settings of a strategy, with defaults that suit the number of trials."""
    if not given:
        return {"name": "predictor", "start": max(3, min(10, trials // 3))}  # the rest is led
    if isinstance(given, dict) and "name" not in given:
        given = _evolution(given, trials)
    name, settings = _named(given, "strategy")
    around = getattr(find("strategies", name), "__dataclass_fields__", {})
    inner = settings.get("strategy", {})
    if "strategy" in around and isinstance(inner, str | dict):  # the one that does the search
        settings["strategy"] = _filled(inner or _evolution({}, trials), trials)
    return {"name": name, **settings}


def _evolution(given: Mapping[str, Any], trials: int) -> dict[str, Any]:
    """Fill a third of the trials into the population, so that there are trials left to evolve."""
    population = given.get("population", max(4, min(20, trials // 3)))
    default = {"name": "evolution", "population": population, "sample": population // 2 or 1}
    return {**default, **given}


def _made(make: Any, settings: Mapping[str, Any], what: str) -> Any:
    """Construct a dataclass of settings; a setting that it does not have is named."""
    fields = getattr(make, "__dataclass_fields__", None)
    for name in settings:
        if fields is not None and name not in fields:
            raise ConfigError(f"The {what} has no setting {name!r}: {did_you_mean(name, fields)}.")
    return make(**settings)


def _train(config: SearchConfig, task: Task, changes: Mapping[str, Any] | None = None) -> Train:
    from archloom.estimators import Train

    # About 200,000 images seen in each trial: enough to rank architectures, short on small sets.
    epochs = max(3, min(20, round(200_000 / max(len(task.train), 1))))
    settings = {"epochs": epochs, **config.train, **(changes or {})}
    made: Train = _made(Train, settings, "section `train`")
    return made


def _training(config: SearchConfig, task: Task, make: Any, settings: dict[str, Any]) -> Any:
    """Give the training of a trial, or what trains a part of it, with the file's settings."""
    from archloom.estimators import Train

    if make is Train:
        return _train(config, task, settings)
    if config.folds is not None:
        raise ConfigError(
            "`folds` cross-validates a whole training, and `extrapolated` trains a part: leave "
            "one of them out."
        )
    train = _train(config, task, settings.pop("train", None))
    return _made(make, {**settings, "train": train}, "estimator 'extrapolated'")


def _estimator(config: SearchConfig, task: Task) -> Any:
    from archloom.estimators import (
        Cost,
        CrossValidate,
        Extrapolated,
        Repeat,
        Train,
        combine,
        from_config,
    )

    name, settings = _named(config.estimator, "estimator")
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
