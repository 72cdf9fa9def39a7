"""Runs on every kind of target: search, retrain, test, the saved model and the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archloom import BlackBox, Experiment, Random, Retrain, Study, Test, Train
from archloom.errors import SpaceError, TrialError
from archloom.nn import Pick, model_space
from archloom.task import Labels, Mixed, Task, call_model, from_arrays
from archloom.train import Recipe, fit
from archloom.zoo import mlp

RNG = np.random.default_rng(0)
X = RNG.normal([5.0, -20.0, 0.0], [3.0, 1.0, 0.1], (160, 3)).astype(np.float32)
Z = (X - X.mean(0)) / X.std(0)
PRICE = 1000 + 250 * Z[:, 0] - 40 * Z[:, 1]


@model_space
def flat(pick: Pick, features: int, outputs: int) -> nn.Module:
    width = pick.value("width", [8, 16])
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, outputs))


class Joined(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(12, width)
        self.facts = nn.Linear(3, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, words: Tensor, facts: Tensor) -> Tensor:
        found: Tensor = self.head(torch.relu(self.words(words) + self.facts(facts)))
        return found


@model_space
def joined(pick: Pick, outputs: int) -> nn.Module:
    return Joined(pick.value("width", [8, 16]), outputs)


def finished(
    task: Task, space: Any, folder: Path, metric: str | None = None
) -> tuple[Experiment, Study]:
    train = Train(epochs=6, lr=0.02, batch_size=32)
    stages = [BlackBox(Random(), train, trials=2), Retrain(top=1, epochs=8), Test()]
    experiment = Experiment(
        space,
        task,
        stages,
        folder,
        objectives=[metric] if metric else None,
        progress=False,
        seed=0,
        device="cpu",
    )
    return experiment, experiment.run()


def saved_outputs(experiment: Experiment) -> Tensor:
    """The outputs of the model on disk for raw validation inputs."""
    model = torch.load(experiment.folder / "best" / "model.pt", weights_only=False)
    with torch.inference_mode():
        outputs: Tensor = call_model(model, experiment.task.valid.inputs)
    return outputs


def recorded(study: Study) -> Mapping[str, float]:
    best = study.note("best")
    assert best is not None
    return study[best["trial"]].metrics


def test_regression(tmp_path: Path) -> None:
    task = from_arrays(X, PRICE, valid=0.25, test=0.25, name="prices")
    experiment, study = finished(task, flat, tmp_path / "run")
    assert str(study.objectives[0]) == "min rmse"
    outputs = saved_outputs(experiment)
    error = (outputs - task.valid.targets).square().mean().sqrt()
    assert float(error) == pytest.approx(recorded(study)["rmse"], rel=1e-3)
    assert recorded(study)["r2"] > 0.7
    bare = experiment.model(raw_inputs=False)
    inner = bare(task.prepare(task.valid.inputs)).detach()
    assert torch.allclose(task.target.finish(inner), outputs, atol=0.1)
    result = study.notes("test")[0].data
    assert "confusion" not in result
    predicted, true = result["pairs"][0]
    assert len(predicted) == result["size"] == 40
    assert np.mean(np.abs(np.subtract(predicted, true))) == pytest.approx(
        result["metrics"]["mae"], rel=1e-4
    )
    page = experiment.report().read_text()
    assert "Predicted and true target" in page
    assert "1 number" in page
    assert "interval of accuracy" not in page
    again = Experiment(
        flat,
        task,
        experiment.stages,
        tmp_path / "run",
        objectives=["rmse"],
        progress=False,
        device="cpu",
    )
    assert again.run().events == study.events


def test_labels(tmp_path: Path) -> None:
    y = (Z[:, :2] + RNG.normal(0, 0.3, (160, 2)) > 0).astype(int)
    task = from_arrays(
        X, y, valid=0.25, test=0.25, target=Labels(("wet", "warm")), class_weights="balanced"
    )
    experiment, study = finished(task, flat, tmp_path / "run")
    result = study.notes("test")[0].data
    assert result["metrics"]["auc"] > 0.8
    assert result["details"]["auc[wet]"] > 0.7
    assert np.sum(result["counts"], axis=1).tolist() == [40, 40]
    page = experiment.report().read_text()
    assert "Each label of trial" in page
    assert "2 labels" in page
    outputs = saved_outputs(experiment)
    assert task.score(outputs, task.valid.targets)["auc"] == pytest.approx(recorded(study)["auc"])


def test_several_inputs_and_targets(tmp_path: Path) -> None:
    words = RNG.integers(0, 12, (160, 4))
    animals = np.where(words[:, 0] > 5, "cat", "dog")
    task = from_arrays(
        {"words": words, "facts": X},
        {"animal": animals, "price": PRICE},
        kind={"words": "text", "facts": "table"},
        valid=0.25,
        test=0.25,
    )
    experiment, study = finished(task, joined, tmp_path / "run", "price.rmse")
    assert study.objectives[0].direction == "min"
    assert isinstance(task.target, Mixed)
    outputs = saved_outputs(experiment)
    price = task.target.split(outputs)["price"]
    targets = task.target.split_targets(task.valid.targets)["price"]
    assert float((price - targets).square().mean().sqrt()) == pytest.approx(
        recorded(study)["price.rmse"], rel=1e-3
    )
    inner = experiment.model(raw_inputs=False)(**task.prepare(task.valid.inputs)).detach()
    assert torch.allclose(
        task.target.split(outputs)["animal"], task.target.split(inner)["animal"], atol=1e-4
    )
    result = study.notes("test")[0].data
    assert np.sum(result["parts"]["animal"]["confusion"]) == 40
    assert len(result["parts"]["price"]["pairs"][0][0]) == 40
    page = experiment.report().read_text()
    assert "animal: Confusion matrix" in page
    assert "price: Predicted and true target" in page
    assert "2 targets" in page


def test_a_model_of_another_shape_is_refused_before_the_run(tmp_path: Path) -> None:
    @model_space
    def wrong(pick: Pick, features: int) -> nn.Module:
        return nn.Linear(features, pick.value("width", [3, 4]))

    task = from_arrays(X, PRICE, valid=0.25)
    stages = [BlackBox(Random(), Train(epochs=1), trials=1)]
    experiment = Experiment(wrong, task, stages, tmp_path / "run", progress=False, device="cpu")
    with pytest.raises(SpaceError, match=r"gives \(2, 3\) where \(2, 1\) is wanted"):
        experiment.run()
    with pytest.raises(TrialError, match=r"shape \(32, 1\) \(samples, outputs\).*got \(32, 3\)"):
        fit(nn.Linear(3, 3), task, Recipe(epochs=1, batch_size=32), seed=0)


def test_what_the_data_checks_find_is_recorded_and_shown(tmp_path: Path) -> None:
    X = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 2
    task = from_arrays(X, y, valid=(X[:10], y[:10]), layout="NCHW")
    search = BlackBox(Random(), Train(epochs=1), trials=1)
    experiment = Experiment(mlp, task, [search], tmp_path / "run", progress=False)
    study = experiment.run()
    [noted] = study.notes("data")
    assert noted.data["findings"][0]["kind"] == "shared"
    assert "10 of its 10 samples" in experiment.report().read_text()
    assert len(experiment.run().notes("data")) == 1
