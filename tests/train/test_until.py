"""Training that ends early within its schedule, and goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.task import Task, digits
from archloom.train import CHECKPOINT, Recipe, fit

PLAIN: dict[str, Any] = {"epochs": 4, "batch_size": 256, "channels_last": False}


def model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)
    )


@pytest.fixture(scope="module")
def task() -> Task:
    return digits()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "schedule": "cosine", "warmup": 0.2, "augment": True},
        {"ema": 0.9, "schedule": "step"},
        {"swa": 0.5, "restore_best": False},
    ],
)
def test_in_three_pieces_it_ends_with_the_very_same_weights(
    task: Task, tmp_path: Path, changes: dict[str, Any]
) -> None:
    recipe = Recipe(**{**PLAIN, **changes})
    whole = model()
    expected = fit(whole, task, recipe, seed=5)
    for until in (1, 3, None):
        parts = model()
        found = fit(parts, task, recipe, seed=5, files=tmp_path, until=until)
    assert found.metrics == expected.metrics
    assert found.curve == expected.curve
    pairs = zip(whole.state_dict().values(), parts.state_dict().values(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_it_is_the_beginning_of_the_full_schedule(task: Task, tmp_path: Path) -> None:
    recipe = Recipe(**PLAIN)
    whole = fit(model(), task, recipe, seed=0)
    part = fit(model(), task, recipe, seed=0, until=2)
    assert part.curve == whole.curve[:2]
    assert part.epochs_run == 2
    short = fit(model(), task, Recipe(**{**PLAIN, "epochs": 2}), seed=0)
    assert short.curve != part.curve, "a short schedule is another training"


def test_beyond_the_last_epoch_it_ends_with_it(task: Task) -> None:
    assert fit(model(), task, Recipe(**PLAIN), seed=0, until=9).epochs_run == 4


def test_nothing_is_trained_twice(task: Task, tmp_path: Path) -> None:
    recipe = Recipe(**PLAIN)
    fit(model(), task, recipe, seed=0, files=tmp_path, until=2)
    before = (tmp_path / CHECKPOINT).read_bytes()
    again = fit(model(), task, recipe, seed=0, files=tmp_path, until=2)
    assert again.epochs_run == 2
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("until", [0, True, 1.5])
def test_until_is_a_whole_number_of_epochs(task: Task, until: Any) -> None:
    with pytest.raises(ConfigError, match="until must be a whole number"):
        fit(model(), task, Recipe(**PLAIN), seed=0, until=until)


def test_a_schedule_of_seconds_has_no_epochs(task: Task) -> None:
    with pytest.raises(ConfigError, match="seconds=2"):
        fit(model(), task, Recipe(seconds=2.0), seed=0, until=1)
