"""Settings as data, and the experiment that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.config import checked_config, default_space, make_experiment
from archloom.errors import ConfigError
from archloom.estimators import Combined, CrossValidate, Repeat, Train
from archloom.stages import BlackBox, Ensemble, Retrain, Test
from archloom.task import Task, digits, from_arrays


@pytest.fixture(scope="module")
def task() -> Task:
    return digits()


def stages(task: Task, tmp_path: Path, **settings: Any) -> list[Any]:
    config = checked_config({"space": "mlp", "out": str(tmp_path / "run"), **settings})
    return list(make_experiment(config, task, progress=False).stages)


def trained_by(stage: BlackBox) -> Any:
    assert isinstance(stage.estimator, Combined)
    return stage.estimator.estimators[0]


def test_a_task_takes_the_place_of_data(task: Task, tmp_path: Path) -> None:
    kinds = [type(stage) for stage in stages(task, tmp_path)]
    assert kinds == [BlackBox, Retrain, Test]
    with pytest.raises(ConfigError, match="`data`"):
        make_experiment(checked_config({"space": "mlp"}))


def test_folds_make_the_estimator_cross_validate(task: Task, tmp_path: Path) -> None:
    search, *_ = stages(task, tmp_path, folds=4, repeats=2)
    judged = trained_by(search)
    assert isinstance(judged, CrossValidate)
    assert (judged.folds, judged.repeats) == (4, 2)
    search, retrain, _ = stages(task, tmp_path, repeats=2, retrain={"folds": 3, "epochs": 7})
    assert isinstance(trained_by(search), Repeat)
    assert isinstance(retrain.estimator, CrossValidate)
    assert retrain.estimator.folds == 3


def test_a_longer_training_leaves_budget_and_share_of_the_search(
    task: Task, tmp_path: Path
) -> None:
    train = {"lr": 0.02, "seconds": 3.0, "fraction": 0.5}
    search, retrain, _ = stages(task, tmp_path, train=train, retrain={"train": {"ema": 0.99}})
    assert trained_by(search).seconds == 3.0
    assert isinstance(retrain.estimator, Train)
    assert (retrain.estimator.lr, retrain.estimator.ema) == (0.02, 0.99)
    assert (retrain.estimator.seconds, retrain.estimator.fraction) == (None, 1.0)


@pytest.mark.parametrize(("given", "top"), [(True, 10), ({"top": 4}, 4)])
def test_an_ensemble_comes_before_the_test(
    task: Task, tmp_path: Path, given: Any, top: int
) -> None:
    found = stages(task, tmp_path, ensemble=given)
    assert [type(stage) for stage in found[-2:]] == [Ensemble, Test]
    assert found[-2].top == top


def test_objectives_and_space_follow_from_the_task(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(30, 4))
    numbers = from_arrays(X, X[:, 0], valid=0.3)
    out = {"out": str(tmp_path / "run")}
    experiment = make_experiment(checked_config(out), numbers, progress=False)
    assert experiment.objectives[0].metric == "rmse"
    assert default_space(numbers) == "table_net"
    assert default_space(digits()) == "small_cnn"
    series = from_arrays(X[:, None], X[:, 0], valid=0.3, kind="series")
    assert default_space(series) == "series_net"


def test_training_settings_are_searched_jointly(task: Task, tmp_path: Path) -> None:
    joint = {"lr": {"low": 1e-4, "high": 1e-2, "log": True}, "batch_size": [32, 64]}
    config = checked_config({"space": "mlp", "joint": joint, "out": str(tmp_path / "run")})
    labels = make_experiment(config, task, progress=False).space.space.labels
    assert {"train.lr", "train.batch_size"} <= set(labels)
    with pytest.raises(ConfigError, match="lr has 3"):
        make_experiment(checked_config({"space": "mlp", "joint": {"lr": 3}}), task)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "'folds' does not fit"),
        ({"workers": 0}, "'workers' does not fit"),
        ({"objectives": []}, "'objectives' does not fit"),
        ({"ensemble": 3}, "'ensemble' does not fit"),
        ({"retrain": {"flods": 3}}, "did you mean 'folds'"),
        ({"esnemble": True}, "did you mean 'ensemble'"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked_config(settings)
