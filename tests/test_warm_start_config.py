"""The key `warm_start` of a configuration, and strategies inside strategies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archloom.config import checked_config, make_experiment
from archloom.errors import ConfigError
from archloom.experiment import Experiment
from archloom.journal import Finished, Noted, SqliteJournal, Started
from archloom.stages import BlackBox
from archloom.strategies import Distinct, Evolution, Filtered, WarmStart, described, made
from archloom.task import digits
from archloom.trial import State
from archloom.zoo import mlp


def earlier_run(folder: Path) -> Path:
    """Record a run of 8 trials, the later the better."""
    space = mlp.with_hints(digits().hints).space
    folder.mkdir()
    with SqliteJournal(folder, write=True) as journal:
        journal.append(Noted("experiment", {"objectives": ["max accuracy"]}))
        for number, architecture in zip(range(8), space.enumerate(2), strict=False):
            journal.append(Started(number, "search", architecture, seed=0))
            journal.append(Finished(number, State.DONE, {"accuracy": number / 10}))
    return folder


def search_of(folder: Path, **config: Any) -> tuple[Experiment, Any]:
    plain = {"space": "mlp", "out": str(folder / "new"), **config}
    experiment = make_experiment(checked_config(plain), digits(), progress=False)
    [search] = [stage for stage in experiment.stages if isinstance(stage, BlackBox)]
    return experiment, search.strategy


def test_a_search_begins_with_the_best_of_earlier_runs(tmp_path: Path) -> None:
    run = earlier_run(tmp_path / "old")
    _, strategy = search_of(tmp_path, warm_start=str(run), trials=8)
    assert isinstance(strategy, WarmStart)
    assert strategy.strategy["name"] == "predictor"  # type: ignore[index]
    points = mlp.with_hints(digits().hints).space.enumerate(2)
    best = [architecture for _, architecture in zip(range(8), points, strict=False)][::-1]
    assert strategy.first == [architecture.to_json() for architecture in best[:4]]
    assert made(json.loads(json.dumps(described(strategy)))) == strategy


def test_the_architectures_are_settings_and_outlive_the_run(tmp_path: Path) -> None:
    run = earlier_run(tmp_path / "old")
    experiment, strategy = search_of(
        tmp_path, warm_start=[str(run)], trials=2, train={"epochs": 1}, retrain=False, test=False
    )
    (run / "journal.sqlite").unlink(missing_ok=True)
    study = experiment.run()
    assert study[0].architecture.to_json() == strategy.first[0]
    assert len(study) == 2


def test_inner_strategies_get_defaults_that_suit_the_trials(tmp_path: Path) -> None:
    nested = {"name": "distinct", "strategy": {"name": "filtered"}}
    _, strategy = search_of(tmp_path, strategy=nested, trials=15)
    assert strategy == Distinct(Filtered(Evolution(population=5, sample=2)))
    _, strategy = search_of(
        tmp_path, strategy={"name": "distinct", "strategy": {"population": 7}}, trials=15
    )
    assert strategy == Distinct(Evolution(population=7, sample=3))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"strategy": {"name": "distinct", "strategy": "evolutoin"}}, "did you mean 'evolution'"),
        ({"strategy": {"name": "distinct", "strategy": 3}}, "described by its name"),
        ({"strategy": {"name": "distinct", "strateg": "random"}}, "did you mean 'strategy'"),
        ({"strategy": "darts", "space": "nasbench201", "warm_start": "x"}, "derives one itself"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        search_of(tmp_path, **config)
