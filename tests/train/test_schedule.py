"""Learning rates against torch's own schedulers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from archloom.train import Recipe, lr_factor


def torchs(steps: int, make: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def mine(recipe: Recipe, steps: int) -> list[float]:
    return [lr_factor(recipe, step, steps) for step in range(steps)]


@pytest.mark.parametrize("steps", [12, 37, 100])
@pytest.mark.parametrize("rise", [0.1, 0.3, 0.45])
def test_one_cycle(steps: int, rise: float) -> None:
    expected = torchs(
        steps - 1,
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, total_steps=steps, pct_start=rise, cycle_momentum=False
        ),
    )
    got = mine(Recipe(schedule="onecycle", warmup=rise), steps)
    assert got[:-1] == pytest.approx(expected, abs=1e-9)
    assert got[-1] == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("steps", [4, 25])
def test_cosine(steps: int) -> None:
    expected = torchs(steps, lambda o: lr_scheduler.CosineAnnealingLR(o, steps))
    assert mine(Recipe(schedule="cosine"), steps) == pytest.approx(expected)


def test_step() -> None:
    expected = torchs(20, lambda o: lr_scheduler.MultiStepLR(o, [10, 15]))
    assert mine(Recipe(schedule="step"), 20) == pytest.approx(expected)


def test_constant_with_warmup_rises_then_stays() -> None:
    rates = mine(Recipe(schedule="constant", warmup=0.25), 20)
    assert rates[:5] == sorted(rates[:5])
    assert 0 < rates[0] < 1
    assert rates[5:] == [1.0] * 15


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant", "step"])
@pytest.mark.parametrize("warmup", [None, 0.0, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_trainings_have_usable_rates(schedule: Any, warmup: float | None, steps: int) -> None:
    rates = mine(Recipe(schedule=schedule, warmup=warmup), steps)
    assert all(0 < rate <= 1 for rate in rates)
    assert max(rates) > 0.01
