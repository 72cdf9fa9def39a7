"""Train: what it gives and leaves, and training settings searched with the layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, Stopped
from archloom.estimators import Candidate, Train
from archloom.nn import ModelSpace
from archloom.space import integers, log_uniform
from archloom.task import from_arrays
from archloom.testing._estimator import tiny_images
from archloom.train import Recipe, fit, predict

Make = Callable[..., Candidate]


def test_metrics_weights_and_files(candidate: Make, task: Any) -> None:
    made = candidate()
    metrics = Train(epochs=3)(made)
    assert metrics["epochs"] == 3
    assert metrics["params"] == 12 * 8 + 8 + 8 * 3 + 3
    assert sorted(path.name for path in made.files.iterdir()) == ["outputs.pt", "weights.pt"]
    model = made.space.build(made.architecture)
    model.load_state_dict(torch.load(made.files / "weights.pt", weights_only=True))
    outputs = predict(model, task.valid.inputs, task)
    assert task.score(outputs, task.valid.targets)["accuracy"] == metrics["accuracy"]
    saved = torch.load(made.files / "outputs.pt", weights_only=True)
    torch.testing.assert_close(saved["outputs"], outputs)


def test_it_is_the_recipe_and_nothing_else(candidate: Make, task: Any) -> None:
    made = candidate()
    metrics = Train(epochs=2, lr=0.01)(made)
    fitted = fit(made.build(), task, Recipe(epochs=2, lr=0.01), seed=made.seed)
    assert {name: metrics[name] for name in fitted.metrics} == fitted.metrics


def test_epochs_of_the_candidate_come_first(candidate: Make, notes: Any) -> None:
    assert Train(epochs=5)(candidate(epochs=2))["epochs"] == 2
    assert [step for step, _ in notes.reports] == [1, 2]


JOINT = {"epochs": integers(1, 4), "optimizer": ["sgd", "adam"], "lr": log_uniform(1e-9, 1.0)}


def test_settings_in_the_architecture(candidate: Make, notes: Any, space: ModelSpace) -> None:
    values = {"width": 8, "train.epochs": 2, "train.optimizer": "sgd", "train.lr": 1e-9}
    metrics = Train(epochs=7)(candidate(values, space=space.joint(**JOINT)))
    assert metrics["epochs"] == 2
    losses = [reported["loss"] for _, reported in notes.reports]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # nothing is learned at that rate


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ({"learning_rate": log_uniform(1e-4, 1.0)}, "'train.learning_rate' names no training"),
        ({"batchsize": [16, 32]}, "did you mean 'batch_size'"),
        ({"optimizer": ["adam", "adan"]}, "no optimizer 'adan'"),
        ({"epochs": integers(0, 5)}, "epochs must be a whole number"),
        ({"batch_size": [16, 32.5]}, "batch_size must be a whole number"),
        ({"augment": ["light", "stronk"]}, "did you mean 'strong'"),
        ({"augment_strength": [0.5, 1.5]}, r"augment_strength must be a number in \[0, 1\]"),
    ],
)
def test_choices_that_name_no_setting(
    domains: dict[str, Any], message: str, space: ModelSpace
) -> None:
    joint = space.joint(**domains).space
    with pytest.raises(ConfigError, match=message):
        Train().check(joint)


def test_choices_that_fit(space: ModelSpace) -> None:
    Train().check(space.joint(**JOINT).space)


def test_the_measured_layout_is_remembered(candidate: Make, notes: Any) -> None:
    images = from_arrays(np.random.default_rng(0).random((40, 6, 6)), np.arange(40) % 3)
    values = {"width": 2}
    Train(epochs=1)(candidate(values, space=tiny_images, task=images))
    assert notes.values["layout"]["layout"] in ("channels_last", "contiguous")
    notes.values["layout"] = {"layout": "contiguous"}
    Train(epochs=1)(candidate(values, space=tiny_images, task=images))
    assert notes.values["layout"] == {"layout": "contiguous"}


def test_models_without_convolutions_are_not_measured(candidate: Make, notes: Any) -> None:
    Train(epochs=1)(candidate())
    assert notes.values == {}


def test_a_stopped_trial_leaves_no_checkpoint(candidate: Make) -> None:
    def report(step: int, metrics: Any) -> None:
        raise Stopped("no use")

    made = candidate(report=report)
    with pytest.raises(Stopped):
        Train(epochs=3)(made)
    assert list(made.files.iterdir()) == []


def test_an_interrupt_leaves_the_checkpoint(candidate: Make) -> None:
    def report(step: int, metrics: Any) -> None:
        raise KeyboardInterrupt

    made = candidate(report=report)
    with pytest.raises(KeyboardInterrupt):
        Train(epochs=3)(made)
    assert [path.name for path in made.files.iterdir()] == ["checkpoint.pt"]
