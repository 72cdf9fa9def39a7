"""LookUp: a table in place of training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from archloom.errors import ConfigError, TrialError
from archloom.estimators import Candidate, LookUp, describe, rebuild_estimator
from archloom.experiment import Experiment
from archloom.nn import Pick, model_space
from archloom.stages import BlackBox
from archloom.strategies import Evolution
from archloom.task import digits
from archloom.trial import State


@model_space
def tiny_images(pick: Pick, channels: int = 1, classes: int = 10) -> nn.Module:
    """Give a space of two points."""
    width = pick.value("width", [2, 4])
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, classes))


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    path.write_text(
        "width,acc,acc@1,acc@2,acc@4,cost,seconds\n2,0.5,0.1,0.2,0.5,9,40\n4,0.7,0.3,0.4,0.7,8,80\n"
    )
    return str(path)


def judge(
    estimator: LookUp, folder: Path, budget: float | None = None
) -> tuple[dict[str, float], list[tuple[int, float]]]:
    reports: list[tuple[int, float]] = []
    candidate = Candidate(
        tiny_images.space.complete({"width": 4}),
        tiny_images,
        digits(),
        0,
        None,
        folder,
        torch.device("cpu"),
        lambda step, metrics: reports.append((step, metrics["accuracy"])),
        lambda key, measure: measure(),
        budget,
    )
    return estimator(candidate), reports


def test_it_gives_the_row(table: str, tmp_path: Path) -> None:
    estimator = LookUp(table, {"accuracy": "acc", "price": "cost"}, "width", seconds="seconds")
    found, reports = judge(estimator, tmp_path)
    assert found == {"accuracy": 0.7, "price": 8.0, "simulated_seconds": 80.0}
    assert reports == [(1, 0.3), (2, 0.4), (3, 0.7)]


def test_a_budget_gives_the_column_of_its_step(table: str, tmp_path: Path) -> None:
    estimator = LookUp(table, {"accuracy": "acc", "price": "cost"}, "width", seconds="seconds")
    assert estimator.budgets() == (0.25, 0.5, 1.0)
    found, reports = judge(estimator, tmp_path, 0.5)
    assert found == {"accuracy": 0.4, "price": 8.0, "simulated_seconds": 40.0}
    assert reports == [(1, 0.3), (2, 0.4)]


def test_fidelities_may_be_named(table: str, tmp_path: Path) -> None:
    estimator = LookUp(table, {"accuracy": {"0.1": "acc@1", "1": "acc"}}, "width")
    assert estimator.budgets() == (0.1, 1.0)
    assert judge(estimator, tmp_path, 0.1)[0] == {"accuracy": 0.3}
    with pytest.raises(ConfigError, match="up to 1"):
        LookUp(table, {"accuracy": {0.1: "acc@1"}}, "width").budgets()


def test_without_metrics_every_column_is_one(table: str) -> None:
    assert LookUp(table, None, "width").names == {"acc", "cost", "seconds"}


def test_it_survives_json(table: str) -> None:
    estimator = LookUp(table, {"accuracy": {"0.1": "acc@1", "1": "acc"}}, ["width"])
    assert rebuild_estimator(json.loads(json.dumps(describe(estimator)))) == estimator


def test_a_table_that_does_not_cover_the_space(tmp_path: Path) -> None:
    path = tmp_path / "part.csv"
    path.write_text("width,acc\n2,0.5\n")
    with pytest.raises(ConfigError, match="has 1 of the 2 architectures"):
        LookUp(str(path), {"accuracy": "acc"}, "width").check(tiny_images.space)
    lenient = LookUp(str(path), {"accuracy": "acc"}, "width", missing="fail")
    lenient.check(tiny_images.space)
    with pytest.raises(TrialError, match="is none of them"):
        judge(lenient, tmp_path)


def test_a_missing_column_and_gaps_are_errors_before_the_search(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("width,acc,auc\n2,0.5,\n4,0.6,0.9\n")
    with pytest.raises(ConfigError, match="no column 'acuracy'"):
        LookUp(str(path), {"accuracy": "acuracy"}, "width").check(tiny_images.space)
    with pytest.raises(ConfigError, match="no value for 1 of the 2"):
        LookUp(str(path), {"accuracy": "auc"}, "width").check(tiny_images.space)


def test_a_search_runs_on_it(table: str, tmp_path: Path) -> None:
    estimator = LookUp(table, {"accuracy": "acc"}, "width")
    stage = BlackBox(Evolution(population=2, sample=1), estimator, trials=5)
    study = Experiment(tiny_images, digits(), [stage], tmp_path / "run", progress=False).run()
    assert [trial.state for trial in study.trials()] == [State.DONE, State.DONE]
    assert study.best("accuracy").architecture["width"] == 4
