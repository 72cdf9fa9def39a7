"""Find a plug-in by its name: built-in ones and those of installed packages, the same way.

A third-party package adds a strategy with an entry point in its own `pyproject.toml`:

    [project.entry-points."archloom.strategies"]
    annealing = "my_package:Annealing"
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from archloom.errors import ConfigError, did_you_mean

Kind = Literal["spaces", "strategies", "methods", "estimators", "stoppers", "scores", "data"]

BUILT_IN: Mapping[Kind, Mapping[str, str]] = {
    "spaces": {
        "mlp": "archloom.zoo:mlp",
        "small_cnn": "archloom.zoo:small_cnn",
        "resnet": "archloom.zoo:resnet",
        "course_cnn": "archloom.zoo:course_cnn",
        "convnet": "archloom.zoo:convnet",
        "series_net": "archloom.zoo:series_net",
        "table_net": "archloom.zoo:table_net",
        "text_net": "archloom.zoo:text_net",
        "mixed_net": "archloom.zoo:mixed_net",
        "darts": "archloom.zoo:darts",
        "nasbench101": "archloom.zoo:nasbench101",
        "nasbench201": "archloom.zoo:nasbench201",
        "resnet18": "archloom.zoo:resnet18",
        "wide_resnet": "archloom.zoo:wide_resnet",
        "lenet5": "archloom.zoo:lenet5",
        "fcn": "archloom.zoo:fcn",
        "mlp_resnet": "archloom.zoo:mlp_resnet",
    },
    "strategies": {
        "random": "archloom.strategies:Random",
        "grid": "archloom.strategies:Grid",
        "evolution": "archloom.strategies:Evolution",
        "local_search": "archloom.strategies:LocalSearch",
        "predictor": "archloom.strategies:Predictor",
        "gp_tree": "archloom.strategies:GaussianProcess",
        "bananas": "archloom.strategies:Bananas",
        "tpe": "archloom.strategies:Tpe",
        "gp": "archloom.strategies:Gp",
        "cmaes": "archloom.strategies:CmaEs",
        "nsga3": "archloom.strategies:Nsga3",
        "qmc": "archloom.strategies:Qmc",
        "optuna": "archloom.strategies:Optuna",
        "reinforce": "archloom.strategies:Reinforce",
        "ppo": "archloom.strategies:Ppo",
        "q_learning": "archloom.strategies:QLearning",
        "nsga2": "archloom.strategies:Nsga2",
        "scalarized": "archloom.strategies:Scalarized",
        "lexicographic": "archloom.strategies:Lexicographic",
        "successive_halving": "archloom.strategies:SuccessiveHalving",
        "asha": "archloom.strategies:Asha",
        "hyperband": "archloom.strategies:Hyperband",
        "bohb": "archloom.strategies:Bohb",
        "dehb": "archloom.strategies:Dehb",
        "distinct": "archloom.strategies:Distinct",
        "filtered": "archloom.strategies:Filtered",
        "portfolio": "archloom.strategies:Portfolio",
        "warm_start": "archloom.strategies:WarmStart",
    },
    "methods": {
        "spos": "archloom.oneshot:Uniform",
        "darts": "archloom.oneshot:Darts",
        "gdas": "archloom.oneshot:Gdas",
        "pc_darts": "archloom.oneshot:PcDarts",
        "drnas": "archloom.oneshot:DrNas",
        "proxylessnas": "archloom.oneshot:ProxylessNas",
        "snas": "archloom.oneshot:Snas",
        "enas": "archloom.oneshot:Enas",
        "fairnas": "archloom.oneshot:FairNas",
        "sandwich": "archloom.oneshot:Sandwich",
    },
    "estimators": {
        "train": "archloom.estimators:Train",
        "cost": "archloom.estimators:Cost",
        "latency_table": "archloom.estimators:TableLatency",
        "combine": "archloom.estimators:Combined",
        "repeat": "archloom.estimators:Repeat",
        "cross_validate": "archloom.estimators:CrossValidate",
        "inherited": "archloom.estimators:Inherited",
        "table": "archloom.estimators:LookUp",
        "extrapolated": "archloom.estimators:Extrapolated",
        "zero_cost": "archloom.estimators:ZeroCost",
    },
    "scores": {
        "params": "archloom.zerocost:params",
        "flops": "archloom.zerocost:flops",
        "grad_norm": "archloom.zerocost:grad_norm",
        "snip": "archloom.zerocost:snip",
        "grasp": "archloom.zerocost:grasp",
        "synflow": "archloom.zerocost:synflow",
        "fisher": "archloom.zerocost:fisher",
        "jacob_cov": "archloom.zerocost:jacob_cov",
        "naswot": "archloom.zerocost:naswot",
        "zen": "archloom.zerocost:zen",
        "l2_norm": "archloom.zerocost:l2_norm",
        "plain": "archloom.zerocost:plain",
        "epe_nas": "archloom.zerocost:epe_nas",
    },
    "stoppers": {
        "never": "archloom.stoppers:Never",
        "median": "archloom.stoppers:Median",
        "halving": "archloom.stoppers:Halving",
        "curve": "archloom.stoppers:CurveStopper",
    },
    "data": {
        "digits": "archloom.task:digits",
        "fashion-mnist": "archloom.task:fashion_mnist",
        "mnist": "archloom.task:mnist",
        "npz": "archloom.task:from_npz",
        "idx": "archloom.task:from_idx",
        "medmnist": "archloom.sources:from_medmnist",
        "cifar": "archloom.sources:from_cifar",
        "images": "archloom.sources:from_images",
        "npy": "archloom.sources:from_npy",
        "dataset": "archloom.sources:from_dataset",
        "hub": "archloom.sources:from_hub",
        "dicom": "archloom.sources:from_dicom",
        "table": "archloom.sources:from_table",
        "text": "archloom.sources:from_text",
        "series": "archloom.sources:from_series",
        "light-curves": "archloom.sources:from_light_curves",
        "netcdf": "archloom.sources:from_netcdf",
    },
}


_SINGULAR: Mapping[Kind, str] = {
    "spaces": "space",
    "strategies": "strategy",
    "methods": "one-shot method",
    "estimators": "estimator",
    "stoppers": "stopper",
    "scores": "zero-cost score",
    "data": "data set",
}


@cache
def known(kind: Kind) -> Mapping[str, str]:
    """Give every name of a kind with its `"module:attribute"` target; built-in names win."""
    outside = {point.name: point.value for point in entry_points(group=f"archloom.{kind}")}
    return {**outside, **BUILT_IN[kind]}


def find(kind: Kind, name: str) -> Any:
    """Import the plug-in of that kind and name, or of `"module:attribute"`; nothing else.

    Raises:
        ConfigError: when the name is not known; the message offers the nearest one.

    >>> find("strategies", "random").__name__
    'Random'
    """
    targets = known(kind)
    target = targets.get(name, name)
    if ":" not in target:
        raise ConfigError(
            f"There is no {_SINGULAR[kind]} called {name!r}: {did_you_mean(name, targets)}."
        )
    return load(target)


def load(target: str) -> Any:
    """Import `"module:attribute"`. Raises `ConfigError` when there is no such thing."""
    module, _, attribute = target.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{target!r} cannot be imported ({error}): it must read MODULE:NAME, with a name at "
            f"the top level of a module that is installed or lies in the folder that archloom is "
            f"started from."
        ) from error
    return found


def name_of(kind: Kind, thing: Any) -> str:
    """Give the name under which `find` gives the class or function back.

    >>> from archloom.strategies import Random
    >>> name_of("strategies", Random)
    'random'
    """
    for name, target in known(kind).items():
        if target.endswith(f":{thing.__qualname__}") and find(kind, name) is thing:
            return name
    return f"{thing.__module__}:{thing.__qualname__}"


def summary(kind: Kind, name: str) -> str:
    """Give the first line of the plug-in's docstring; why it cannot load where it cannot."""
    try:
        text = getattr(find(kind, name), "__doc__", None) or ""
    except ConfigError as error:
        return f"(cannot be loaded: {error})"
    return text.strip().splitlines()[0] if text.strip() else ""
