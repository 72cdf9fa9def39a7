"""CrossValidate: each sample is predicted by a model that did not train on it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom.ensemble import has_model, load_model, saved_outputs
from archloom.errors import ConfigError, DataError, Stopped
from archloom.estimators import (
    Candidate,
    Cost,
    CrossValidate,
    Train,
    combine,
    metrics_of,
)
from archloom.task import from_arrays
from archloom.train import Recipe, fit, predict

Make = Callable[..., Candidate]

TWO = CrossValidate(Train(epochs=2), folds=2)


def test_the_folds_are_trainings_of_their_own(candidate: Make, task: Any) -> None:
    made = candidate()
    metrics = TWO(made)
    saved = saved_outputs(made.files)
    assert saved is not None
    assert saved.rows is not None
    assert saved.rows.tolist() == list(range(150))
    first = task.folds(2)[0]
    model = made.build()
    fit(model, first, Recipe(epochs=2), seed=made.seed)
    held = task.fold_index(2) == 0
    assert torch.allclose(saved.outputs[held], predict(model, first.valid.inputs, task), atol=1e-6)
    assert metrics["folds"] == 2
    assert metrics["epochs"] == 2
    assert metrics["params"] == sum(p.numel() for p in model.parameters())


def test_all_samples_are_scored_together(candidate: Make, task: Any) -> None:
    made = candidate()
    metrics = TWO(made)
    saved = saved_outputs(made.files)
    assert saved is not None
    scored = task.score(saved.outputs, task.pooled().targets)
    assert {name: metrics[name] for name in scored} == scored


def test_the_standard_error_is_that_of_the_folds(candidate: Make, task: Any) -> None:
    made = candidate()
    metrics = CrossValidate(Train(epochs=2), folds=3)(made)
    values = []
    for number, fold in enumerate(task.folds(3)):
        saved = saved_outputs(made.files / f"fold-{number}")
        assert saved is not None
        values.append(task.score(saved.outputs, fold.valid.targets)["accuracy"])
    assert metrics["accuracy_se"] == pytest.approx(statistics.stdev(values) / math.sqrt(3))


def test_each_fold_is_a_step(candidate: Make, notes: Any) -> None:
    CrossValidate(Train(epochs=1), folds=2, repeats=2)(candidate())
    assert [step for step, _ in notes.reports] == [1, 2, 3, 4]
    assert {"accuracy", "loss"} <= set(notes.reports[0][1])


def test_the_model_is_the_mean_of_the_folds(candidate: Make, task: Any) -> None:
    made = candidate()
    TWO(made)
    assert has_model(made.architecture, made.files)
    whole = load_model(made.space, made.architecture, made.files)
    inputs = task.prepare(task.valid.inputs)
    chances = []
    for number in range(2):
        model = made.space.build(made.architecture).eval()
        weights = made.files / f"fold-{number}" / "weights.pt"
        model.load_state_dict(torch.load(weights, weights_only=True))
        chances.append(model(inputs).softmax(1))
    assert torch.allclose(whole(inputs).softmax(1), (chances[0] + chances[1]) / 2, atol=1e-6)


def test_repeats_are_averaged(candidate: Make, task: Any) -> None:
    made = candidate()
    CrossValidate(Train(epochs=1), folds=2, repeats=2)(made)
    saved = saved_outputs(made.files)
    assert saved is not None
    chances = torch.zeros(150, 3)
    for number in range(4):
        repeat, fold = divmod(number, 2)
        part = saved_outputs(made.files / f"fold-{number}")
        assert part is not None
        chances[task.fold_index(2, seed=repeat) == fold] += part.outputs.softmax(1) / 2
    assert torch.allclose(saved.outputs.softmax(1), chances, atol=1e-6)


def test_after_an_interrupt_only_missing_folds_are_trained(candidate: Make) -> None:
    class Cut(BaseException):
        pass

    def cut(step: int, metrics: Mapping[str, float]) -> None:
        if step == 2:
            raise Cut

    three = CrossValidate(Train(epochs=1), folds=3)
    made = candidate(report=cut)
    with pytest.raises(Cut):
        three(made)
    times = [(made.files / f"fold-{n}" / "weights.pt").stat().st_mtime_ns for n in range(2)]
    three(candidate())
    again = [(made.files / f"fold-{n}" / "weights.pt").stat().st_mtime_ns for n in range(2)]
    assert again == times


def test_a_stopped_trial_has_no_model(candidate: Make) -> None:
    def report(step: int, metrics: Mapping[str, float]) -> None:
        raise Stopped("no use")

    made = candidate(report=report)
    with pytest.raises(Stopped):
        TWO(made)
    assert not has_model(made.architecture, made.files)


def test_the_time_is_that_of_all_folds() -> None:
    assert CrossValidate(Train(seconds=60), folds=5, repeats=2).of_one().seconds == 6


def test_numbers_and_a_sample_that_is_never_validated(candidate: Make) -> None:
    """The only member of a class always trains: it has no out-of-fold prediction."""
    rng = np.random.default_rng(0)
    labels = np.append(np.arange(60) % 2, 2)
    task = from_arrays(rng.normal(labels[:, None], 1.0, (61, 12)), labels, valid=0.2)
    made = candidate(task=task)
    TWO(made)
    saved = saved_outputs(made.files)
    assert saved is not None
    assert saved.rows is not None
    alone = int((task.pooled().targets == 2).nonzero())
    assert len(saved.rows) == 60
    assert alone not in saved.rows.tolist()


def test_regression(candidate: Make) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(80, 12))
    task = from_arrays(inputs, inputs[:, :3] * 5.0 + 100.0, valid=0.2)
    metrics = CrossValidate(Train(epochs=30, lr=0.05, batch_size=16), folds=2)(candidate(task=task))
    assert metrics["r2"] > 0.5
    assert metrics["rmse_se"] > 0


def test_a_loss_of_ones_own(candidate: Make) -> None:
    rng = np.random.default_rng(0)
    task = from_arrays(
        rng.normal(size=(40, 12)), rng.random(40), valid=0.2, loss=nn.functional.l1_loss
    )
    with pytest.raises(ConfigError, match="averages the outputs of its models"):
        TWO(candidate(task=task))


def test_more_folds_than_samples(candidate: Make) -> None:
    with pytest.raises(DataError, match="folds need at least as many samples"):
        CrossValidate(Train(epochs=1), folds=200)(candidate())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "folds of CrossValidate must be a whole number from 2, got 1"),
        ({"folds": 2.5}, "got 2.5"),
        ({"repeats": 0}, "repeats of CrossValidate"),
        ({"train": Cost()}, "trains with a `Train`"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CrossValidate(**settings)


def test_its_metrics_are_known_before(candidate: Make, task: Any) -> None:
    estimator = combine(TWO, Cost())
    assert metrics_of(estimator, task) == set(estimator(candidate()))
