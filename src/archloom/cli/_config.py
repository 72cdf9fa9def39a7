"""The settings of a search, from one YAML file and flags, and the experiment they describe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.plugins import find

if TYPE_CHECKING:
    from archloom.estimators import Train
    from archloom.experiment import Experiment
    from archloom.nn import ModelSpace
    from archloom.stages import Stage
    from archloom.strategies import Strategy
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
    """How the best architectures are trained again; `train` changes settings of the search."""

    model_config = ConfigDict(extra="forbid")

    top: int = 1
    epochs: int | None = None
    train: dict[str, Any] = Field(default_factory=dict)


class SearchConfig(BaseModel):
    """All settings of `archloom search`. What is not set gets a default that fits the data."""

    model_config = ConfigDict(extra="forbid")

    data: Named
    space: Named | None = None
    strategy: Named | None = None
    estimator: Named = "train"
    trials: int = 20
    train: dict[str, Any] = Field(default_factory=dict)
    repeats: int = 1
    retrain: RetrainConfig | bool = Field(default_factory=RetrainConfig)
    test: bool = True
    objectives: Annotated[list[str], _ONE_OR_MORE] = Field(
        default_factory=lambda: ["accuracy"], min_length=1
    )
    constraints: Annotated[list[str], _ONE_OR_MORE] = Field(default_factory=list)
    seed: int = 0
    minutes: float | None = None
    device: str = "auto"
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


def make_experiment(config: SearchConfig, *, progress: str | bool = "auto") -> Experiment:
    """Load the data and put the experiment together that the settings describe."""
    from archloom.experiment import Experiment
    from archloom.task import load

    name, options = _named(config.data, "data")
    task = load(name, **options)
    space = make_space(config, task)
    return Experiment(
        space,
        task,
        _stages(config, task),
        config.out or default_folder(space, task),
        objectives=config.objectives,
        constraints=config.constraints,
        seed=config.seed,
        minutes=config.minutes,
        device=config.device,
        max_failures=config.max_failures,
        progress=progress,
    )


def make_space(config: SearchConfig, task: Task) -> ModelSpace:
    """Load the space; without one, `small_cnn` for images and `mlp` for everything else."""
    from archloom.nn import load_space

    default = "small_cnn" if len(task.hints.get("shape", ())) == 3 else "mlp"
    name, settings = _named(config.space or default, "space")
    return load_space(name, **settings)


def default_folder(space: ModelSpace, task: Task) -> str:
    """A new folder under `runs/`, named after data, space and a running number."""
    stem = f"{task.name}-{space.__name__}".replace("/", "-").replace(" ", "-")
    number = 1
    while Path("runs", f"{stem}-{number}").exists():
        number += 1
    return str(Path("runs", f"{stem}-{number}"))


def _stages(config: SearchConfig, task: Task) -> list[Stage]:
    from archloom.stages import BlackBox, Retrain, Test

    estimator = _estimator(config, task)
    search = BlackBox(_strategy(config), estimator, trials=config.trials, keep=config.keep)
    stages: list[Stage] = [search]
    retrain = RetrainConfig() if config.retrain is True else config.retrain
    if retrain:
        train = _train(config, task, retrain.train) if retrain.train else None
        stages.append(Retrain(retrain.top, retrain.epochs, train))
    if config.test:
        stages.append(Test())
    return stages


def _strategy(config: SearchConfig) -> Strategy:
    given = config.strategy or {}
    if isinstance(given, dict) and "name" not in given:
        # A third of the trials fills the population, so that evolution has trials left to work.
        population = given.get("population", max(4, min(20, config.trials // 3)))
        default = {"name": "evolution", "population": population, "sample": population // 2 or 1}
        given = {**default, **given}
    name, settings = _named(given, "strategy")
    strategy: Strategy = _made(find("strategies", name), settings, f"strategy {name!r}")
    return strategy


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


def _estimator(config: SearchConfig, task: Task) -> Any:
    from archloom.estimators import Cost, Repeat, Train, combine, from_config

    name, settings = _named(config.estimator, "estimator")
    make = find("estimators", name)
    if make is Train:
        estimator: Any = _train(config, task, settings)
        if config.repeats > 1:
            estimator = Repeat(estimator, times=config.repeats)
        goals = {Objective.parse(text).metric for text in config.objectives}
        return combine(estimator, Cost(latency="latency_ms" in goals))
    return from_config(name, settings)
