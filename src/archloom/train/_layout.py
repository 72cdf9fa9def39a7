"""Which memory layout of images trains faster here: measured, not assumed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.task import Task, leaves
from archloom.train._random import kept_random_state
from archloom.train._recipe import Recipe
from archloom.train._rewrite import rewritten
from archloom.train._training import Layout, Training, wait_for

_WARM_UP, _ROUNDS, _MOST_ROUNDS = 2, 5, 30
_SECONDS = 3.0  # of measuring, after which the rounds done must do
_SHARE = 0.05  # of the time that a recipe gives, if that is less
_MARGIN = 0.85  # the other layout must be 15 % faster, so that near-ties give the same choice

_LAYOUTS: tuple[Layout, Layout] = ("channels_last", "contiguous")

Measured = dict[str, Any]


def choose_layout(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    device: torch.device | str = "cpu",
    *,
    remember: Callable[[Callable[[], Measured]], Measured] = lambda measure: measure(),
) -> Layout:
    """Give the layout that the recipe asks for, measuring where it leaves that open.

    Models without 2-D convolutions and inputs that are no images need no measurement.
    `remember` may give an earlier result in place of calling its argument.
    """
    if recipe.channels_last != "auto":
        return "channels_last" if recipe.channels_last else "contiguous"
    images = all(tensor.ndim == 4 for _, tensor in leaves(task.train.inputs))
    if not images or not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        return "contiguous"
    found = remember(lambda: measure_layout(model, task, recipe, device))["layout"]
    if found not in _LAYOUTS:
        raise ConfigError(f"A memory layout is one of {', '.join(_LAYOUTS)}, got {found!r}.")
    return cast("Layout", found)


def measure_layout(
    model: nn.Module, task: Task, recipe: Recipe, device: torch.device | str = "cpu"
) -> Measured:
    """Time a few training steps of copies of the model in both layouts.

    Gives `{"layout": ..., "ms": {"channels_last": ..., "contiguous": ...}}`, the times of the
    fastest step. `channels_last` is chosen unless the other one is over 15 % faster, in four of
    five rounds as well: a busy machine should not decide.
    """
    device = torch.device(device)
    limit = _SECONDS if recipe.seconds is None else min(_SECONDS, _SHARE * recipe.seconds)
    with kept_random_state(device), ExitStack() as stack:
        steppers = {}
        timeless = replace(recipe, seconds=None, fraction=1.0, swa=None, ema=None)
        for layout in _LAYOUTS:
            training = Training(
                copy.deepcopy(model), task, timeless, seed=0, device=device, layout=layout
            )
            stack.enter_context(rewritten(training.model, training.example()))
            steppers[layout] = _timed_steps(training)
        seconds = _measured(steppers, limit)
    return {
        "layout": "contiguous" if _other_wins(seconds) else "channels_last",
        "ms": {layout: round(min(values) * 1e3, 3) for layout, values in seconds.items()},
    }


def _measured(steppers: dict[Layout, Iterator[float]], limit: float) -> dict[Layout, list[float]]:
    """Take the steps in turns, so that a busy moment of the machine meets both.

    A few rounds are enough to stay with the first layout; the other one has to keep its lead.
    When the warm-up alone takes up the time, it has to do.
    """
    began = time.monotonic()
    seconds: dict[Layout, list[float]] = {layout: [] for layout in steppers}
    for number in range(1, _WARM_UP + _MOST_ROUNDS + 1):
        for layout, steps in steppers.items():
            seconds[layout].append(next(steps))
        if number == _WARM_UP and time.monotonic() - began < limit:
            seconds = {layout: [] for layout in steppers}
            continue
        enough = number >= _WARM_UP + _ROUNDS and not _other_wins(seconds)
        if enough or time.monotonic() - began > limit:
            break
    return seconds


def _other_wins(seconds: dict[Layout, list[float]]) -> bool:
    first, other = (seconds[layout] for layout in _LAYOUTS)
    rounds = sum(b < _MARGIN * a for a, b in zip(first, other, strict=True))
    return min(other) < _MARGIN * min(first) and rounds >= 0.8 * len(first)


def _timed_steps(training: Training) -> Iterator[float]:
    """Give the seconds of one training step after the other, for ever."""
    training.model.train()
    epoch = 0
    while True:
        epoch += 1
        steps = training.steps(epoch)
        while True:
            wait_for(training.device)
            began = time.perf_counter()
            if next(steps, None) is None:
                break
            wait_for(training.device)
            yield time.perf_counter() - began
