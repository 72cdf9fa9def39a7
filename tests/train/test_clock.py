"""Time budgets, by a clock that the model itself moves on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archloom.task import Task, from_arrays
from archloom.train import Clock, Fitted, Recipe, Training, fit


class Time:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Slow(nn.Module):
    """Takes a second for a training batch, and `valid` seconds for a batch in evaluation."""

    def __init__(self, time: Time, valid: float = 0.5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 2)
        self.time = time
        self.valid = valid
        self.steps = 0
        self.validations = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.time.now += 1.0 if self.training else self.valid
        self.steps += self.training
        self.validations += not self.training
        out: torch.Tensor = self.layer(x)
        return out


@pytest.fixture
def rows() -> Task:
    """Two batches of 32 for training, one for validation."""
    rng = torch.Generator().manual_seed(0)
    return from_arrays(
        torch.rand(64, 3, generator=rng),
        torch.arange(64) % 2,
        valid=(torch.rand(20, 3, generator=rng), torch.arange(20) % 2),
    )


def trained(
    seconds: float, task: Task, *, valid: float = 0.5, **options: Any
) -> tuple[Slow, Fitted, float]:
    time = Time()
    model = Slow(time, valid)
    settings: dict[str, Any] = {"epochs": 1000, "batch_size": 32, "lr": 1e-3}
    settings |= options.pop("recipe", {})
    fitted = fit(model, task, Recipe(seconds=seconds, **settings), seed=0, now=time, **options)
    return model, fitted, time.now - 100.0


@pytest.mark.parametrize("seconds", [5.0, 20.5, 100.0, 400.0])
def test_it_ends_in_time_with_a_validation(seconds: float, rows: Task) -> None:
    model, fitted, took = trained(seconds, rows)
    assert seconds * 0.85 - 1 <= took <= seconds
    assert fitted.seconds == took
    assert fitted.epochs_run == fitted.curve[-1][0] == -(-model.steps // 2)
    assert model.validations == len(fitted.curve)


def test_it_ends_in_the_middle_of_an_epoch(rows: Task) -> None:
    model, fitted, _ = trained(4.0, rows)
    assert (model.steps, fitted.epochs_run) == (3, 2)


def test_epochs_stay_the_upper_limit(rows: Task) -> None:
    model, fitted, took = trained(1000.0, rows, recipe={"epochs": 3})
    assert (fitted.epochs_run, model.steps) == (3, 6)
    assert took < 10


@pytest.mark.parametrize("seconds", [0.01, 1.0])
def test_one_step_and_one_validation_in_any_case(seconds: float, rows: Task) -> None:
    model, fitted, _ = trained(seconds, rows)
    assert (model.steps, model.validations) == (1, 1)
    assert fitted.metrics["accuracy"] >= 0


def test_short_epochs_are_not_all_validated(rows: Task) -> None:
    _, fitted, _ = trained(400.0, rows, valid=0.1)
    epochs = [epoch for epoch, _ in fitted.curve]
    assert 15 <= len(epochs) <= 21
    assert min(b - a for a, b in pairwise(epochs[:-1])) >= 10


def test_validations_that_take_long_are_few(rows: Task) -> None:
    """A tenth of the time each: they would otherwise take half of it."""
    _, fitted, took = trained(100.0, rows, valid=10.0)
    assert len(fitted.curve) <= 3
    assert took <= 100.0


def test_a_validation_longer_than_the_time_runs_once(rows: Task) -> None:
    model, _, took = trained(10.0, rows, valid=60.0)
    assert model.validations == 1
    assert took <= 10.0 + 60.0


def test_a_first_guess_at_the_validation_leaves_room_for_it(rows: Task) -> None:
    """3200 samples, as 100 batches of training: nothing was measured yet when it is decided."""
    many = from_arrays(
        rows.train.inputs,
        rows.train.targets,
        valid=(torch.rand(3200, 3), torch.arange(3200) % 2),
    )
    model, _, took = trained(100.0, many, valid=0.4 * 8)  # 13 batches of 256
    assert model.validations == 13
    assert 90 <= took <= 105


def test_the_rate_follows_the_time(rows: Task) -> None:
    """Under a clock that ends long before the epochs do, the rate still goes down to the end."""
    time = Time()
    model = Slow(time)
    recipe = Recipe(seconds=50.0, epochs=10_000, batch_size=32, schedule="cosine", lr=1.0)
    clock = Clock(50.0, now=time)
    training = Training(model, rows, recipe, seed=0, clock=clock)
    rates = []
    for epoch in range(1, 1000):
        for _ in training.steps(epoch):
            rates.append(training.optimizer.param_groups[0]["lr"])
        if clock.over:
            break
    assert rates[0] == 1.0
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01
    assert rates[len(rates) // 2] == pytest.approx(0.5, abs=0.05)


def test_the_preparations_do_not_cost_the_warm_up(rows: Task) -> None:
    time = Time()
    clock = Clock(100.0, now=time)
    time.now += 30.0
    clock.step_begins()
    assert clock.share == 0.0
    time.now += 35.0
    assert clock.share == pytest.approx(0.5)


class Cut(Exception):
    """Stands for the process being killed."""


def test_a_training_cut_off_keeps_the_time_it_has_used(rows: Task, tmp_path: Path) -> None:
    def report(step: int, metrics: Mapping[str, float]) -> None:
        if step >= 20:
            raise Cut

    with pytest.raises(Cut):
        trained(100.0, rows, files=tmp_path, report=report)
    model, fitted, took = trained(100.0, rows, files=tmp_path)
    assert 40 <= took <= 60
    assert 90 <= fitted.seconds <= 100
    assert fitted.epochs_run > 40 > model.steps / 2
    again, same, _ = trained(100.0, rows, files=tmp_path)
    assert again.steps == again.validations == 0  # all is done: nothing more is used
    assert same.metrics == fitted.metrics
    for mine, theirs in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_patience_counts_validations(rows: Task) -> None:
    _, fitted, _ = trained(
        800.0, rows, recipe={"patience": 2, "lr": 1e-9, "schedule": "constant", "monitor": "loss"}
    )
    assert 3 <= len(fitted.curve) <= 10


def test_without_seconds_there_is_no_clock(task: Task, make_model: Callable[[], nn.Module]) -> None:
    time = Time()
    fitted = fit(make_model(), task, Recipe(epochs=2), seed=0, now=time)
    assert (fitted.epochs_run, fitted.seconds) == (2, 0.0)
    assert not Clock().over
    assert Clock().due


def test_a_real_clock(task: Task, make_model: Callable[[], nn.Module]) -> None:
    fitted = fit(make_model(), task, Recipe(epochs=10**6, seconds=0.4), seed=0)
    assert 1 <= fitted.epochs_run < 10**6
    assert fitted.metrics["accuracy"] > 0
