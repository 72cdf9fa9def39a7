"""Settings as data, and the experiment that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.config import checked_config, default_space, make_experiment
from archloom.errors import ConfigError, SpaceError
from archloom.estimators import Combined, CrossValidate, Extrapolated, Repeat, Train
from archloom.oneshot import Darts, Monitor, Uniform
from archloom.plugins import BUILT_IN
from archloom.stages import BlackBox, Ensemble, OneShot, Retrain, Test
from archloom.stoppers import Halving, Median
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


def test_a_stopper_is_named_or_set(task: Task, tmp_path: Path) -> None:
    assert stages(task, tmp_path)[0].stopper is None
    assert stages(task, tmp_path, stopper="median")[0].stopper == Median()
    given = {"name": "halving", "eta": 2}
    assert stages(task, tmp_path, stopper=given)[0].stopper == Halving(eta=2)
    for stopper, message in (
        ("medium", "There is no stopper called 'medium': did you mean 'median'"),
        ({"name": "halving", "etta": 2}, "no setting 'etta': did you mean 'eta'"),
        ({"eta": 2}, "described by its name"),
    ):
        with pytest.raises(ConfigError, match=message):
            stages(task, tmp_path, stopper=stopper)
    with pytest.raises(ConfigError, match="nothing for `stopper` to do"):
        stages(task, tmp_path, strategy="darts", stopper="median")


def test_an_extrapolated_training_has_the_settings_of_the_training(
    task: Task, tmp_path: Path
) -> None:
    estimator = {"name": "extrapolated", "share": 0.5}
    search, retrain, _ = stages(
        task, tmp_path, estimator=estimator, train={"lr": 0.02, "epochs": 8}
    )
    assert trained_by(search) == Extrapolated(Train(epochs=8, lr=0.02), share=0.5)
    assert retrain.estimator is None
    nested = {**estimator, "train": {"epochs": 9}}
    assert trained_by(stages(task, tmp_path, estimator=nested)[0]).train.epochs == 9
    repeated, *_ = stages(task, tmp_path, estimator=estimator, repeats=2)
    assert isinstance(trained_by(repeated), Repeat)
    for settings, message in (
        ({"estimator": estimator, "folds": 3}, "leave one of them out"),
        ({"estimator": {**estimator, "shore": 1}}, "did you mean 'share'"),
        ({"estimator": estimator, "train": {"seconds": 3.0}}, "seconds=3"),
    ):
        with pytest.raises(ConfigError, match=message):
            stages(task, tmp_path, **settings)


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


# -- one-shot methods --------------------------------------------------------------------------

UNEQUAL = """
from torch import nn
from archloom import model_space

@model_space
def unequal(pick, classes=2):
    op = pick.layer(
        "op", {"same": lambda: nn.Conv2d(1, 4, 3, padding=1), "valid": lambda: nn.Conv2d(1, 4, 3)}
    )
    return nn.Sequential(op, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""

SPACE = """
from torch import nn
from archloom import model_space

@model_space
def tiny(pick, features=16, classes=2):
    def op(label):
        wide = lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
        return pick.layer(label, {"wide": wide, "tanh": nn.Tanh, "skip": nn.Identity})
    stem = nn.Sequential(nn.Flatten(), nn.Linear(features, 8))
    return nn.Sequential(stem, op("a"), op("b"), nn.Linear(8, classes))

@model_space
def norms(pick, features=16, classes=2):
    "A choice between two kinds of norms as a value, which cannot be shared."
    norm = pick.value("norm", ["batch", "layer"])
    kinds = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    op = pick.layer("op", {"tanh": nn.Tanh, "skip": nn.Identity})
    stem = nn.Sequential(nn.Flatten(), nn.Linear(features, 8), kinds[norm](8))
    return nn.Sequential(stem, op, nn.Linear(8, classes))
"""
METHODS = list(BUILT_IN["methods"])
SAMPLING = {"spos", "fairnas", "sandwich"}


@pytest.fixture(scope="module")
def small() -> Task:
    images = np.random.default_rng(0).random((120, 4, 4)).astype(np.float32)
    labels = (images.mean((1, 2)) > 0.5).astype(int)
    return from_arrays(images, labels, valid=0.25, test=0.25, name="bright")


@pytest.mark.parametrize("name", METHODS)
def test_each_method_searches_retrains_and_tests(small: Task, tmp_path: Path, name: str) -> None:
    (tmp_path / "space.py").write_text(SPACE)
    config = checked_config(
        {
            "space": f"{tmp_path / 'space.py'}:tiny",
            "strategy": {"name": name, "monitor": False, "channels_last": False},
            "trials": 3,
            "train": {"epochs": 1, "channels_last": False},
            "out": str(tmp_path / "run"),
        }
    )
    experiment = make_experiment(config, small, progress=False)
    kinds = [type(stage) for stage in experiment.stages]
    assert kinds == [OneShot, *([BlackBox] if name in SAMPLING else []), Retrain, Test]
    study = experiment.run()
    [retrained] = study.trials("retrain")
    assert retrained.metrics["epochs"] == 4
    assert study.note("test") is not None
    again = make_experiment(config, small, progress=False)
    assert again.run().events == study.events


def test_settings_go_to_the_method_or_to_the_training_of_its_supernet(
    task: Task, tmp_path: Path
) -> None:
    strategy = {"name": "darts", "order": 2, "epochs": 7, "arch_lr": 0.01, "select": "best"}
    train = {"augment": True, "lr": 0.5}
    found, retrain, _ = stages(task, tmp_path, strategy=strategy, train=train)
    assert isinstance(found, OneShot)
    assert found.gates == Darts(order=2)
    assert (found.epochs, found.arch_lr, found.select) == (7, 0.01, "best")
    assert (found.augment, found.lr) == (True, None), "the rate is the method's own"
    assert isinstance(found.monitor, Monitor)
    assert found.monitor.architectures > 0
    assert isinstance(retrain.estimator, Train)
    assert (retrain.estimator.lr, retrain.estimator.augment) == (0.5, True)


def test_epochs_are_those_of_the_supernet_and_the_retraining_follows(
    task: Task, tmp_path: Path
) -> None:
    found, retrain, _ = stages(task, tmp_path, strategy="gdas", train={"epochs": 3})
    assert (found.epochs, retrain.epochs) == (3, 12)
    found, retrain, _ = stages(task, tmp_path, strategy="gdas", retrain={"epochs": 5})
    assert (found.epochs, retrain.epochs) == (50, 5)
    *_, retrain, _ = stages(task, tmp_path, strategy="gdas", retrain={"folds": 3})
    assert isinstance(retrain.estimator, CrossValidate)


def test_sampling_methods_are_searched_as_told(task: Task, tmp_path: Path) -> None:
    strategy = {"name": "spos", "search": {"name": "evolution", "population": 7, "sample": 2}}
    found, search, *_ = stages(task, tmp_path, strategy=strategy)
    assert found.gates == Uniform()
    assert search.trials == 100
    assert search.strategy.population == 7
    _, search, *_ = stages(task, tmp_path, strategy="spos", trials=9)
    assert search.trials == 9


def test_choices_are_pinned_by_hand_or_where_they_cannot_be_shared(
    task: Task, tmp_path: Path
) -> None:
    config = {"space": "mlp", "out": str(tmp_path / "run"), "pinned": {"layers": 2}}
    experiment = make_experiment(checked_config(config), task, progress=False)
    assert "layers" not in experiment.space.space.labels
    assert dict(experiment.space.pins) == {"layers": 2}


def test_a_choice_that_cannot_be_shared_is_pinned_with_a_notice(
    small: Task, tmp_path: Path
) -> None:
    (tmp_path / "space.py").write_text(SPACE)
    config = {"space": f"{tmp_path / 'space.py'}:norms", "strategy": "darts", "retrain": False}
    config |= {"train": {"epochs": 1}, "test": False, "out": str(tmp_path / "run")}
    experiment = make_experiment(checked_config(config), small, progress=False)
    assert dict(experiment.space.pins) == {"norm": "batch"}
    begin = experiment.run().note("one-shot-begin")
    assert begin is not None
    assert begin["pinned"] == {"norm": "batch"}
    trained = make_experiment(
        checked_config({**config, "strategy": "random"}), small, progress=False
    )
    assert "norm" in trained.space.space.labels, "other searches decide it"


def test_a_space_of_which_nothing_can_be_shared_says_why(small: Task, tmp_path: Path) -> None:
    (tmp_path / "space.py").write_text(UNEQUAL)
    config = {"space": f"{tmp_path / 'space.py'}:unequal", "strategy": "spos"}
    with pytest.raises(SpaceError, match=r"Option 'valid' of 'op' gives .* where 'same' gives"):
        make_experiment(checked_config(config), small, progress=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "dartz"}, "did you mean 'darts'"),
        ({"strategy": {"name": "darts", "oder": 2}}, "did you mean 'order'"),
        ({"strategy": {"name": "darts", "epohcs": 2}}, "did you mean 'epochs'"),
        ({"strategy": {"name": "darts", "search": "random"}}, "derives an architecture itself"),
        ({"strategy": {"name": "darts", "order": 3}}, "order of Darts"),
        ({"strategy": "darts", "folds": 3}, "nothing for `folds` to do"),
        ({"strategy": "darts", "repeats": 3}, "nothing for `repeats` to do"),
        ({"strategy": "darts", "estimator": "cost"}, "nothing for `estimator` to do"),
        ({"pinned": {"layer": 2}}, "did you mean 'layers'"),
    ],
)
def test_settings_of_methods_that_do_not_fit(
    task: Task, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        stages(task, tmp_path, **settings)


# -- settings that do not fit -------------------------------------------------------------------


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


@pytest.mark.parametrize(("given", "trials", "start"), [(None, 6, 3), ("gp_tree", 18, 6)])
def test_short_searches_are_led_sooner(
    task: Task, tmp_path: Path, given: str | None, trials: int, start: int
) -> None:
    search = stages(task, tmp_path, strategy=given, trials=trials)[0]
    assert search.strategy.start == start
