"""Which memory layout of images trains faster here: measured, not assumed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.task import Task, leaves
from archloom.train._random import kept_random_state
from archloom.train._recipe import Recipe
from archloom.train._rewrite import rewritten
from archloom.train._training import Layout, Training

_WARM_UP, _ROUNDS = 2, 5
_SECONDS = 2.0  # of measuring, after which the rounds done must do
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
    with kept_random_state(device), ExitStack() as stack:
        steppers = {}
        for layout in _LAYOUTS:
            training = Training(
                copy.deepcopy(model), task, recipe, seed=0, device=device, layout=layout
            )
            stack.enter_context(rewritten(training.model, training.example()))
            steppers[layout] = _timed_steps(training)
        seconds = _measured(steppers)
    best = {layout: min(values) for layout, values in seconds.items()}
    rounds = list(zip(seconds["contiguous"], seconds["channels_last"], strict=True))
    wins = sum(other < _MARGIN * first for other, first in rounds)
    other_wins = best["contiguous"] < _MARGIN * best["channels_last"] and wins >= 0.8 * len(rounds)
    return {
        "layout": "contiguous" if other_wins else "channels_last",
        "ms": {layout: round(value * 1e3, 3) for layout, value in best.items()},
    }


def _measured(steppers: dict[Layout, Iterator[float]]) -> dict[Layout, list[float]]:
    """Take the steps in turns, so that a busy moment of the machine meets both."""
    for steps in steppers.values():
        for _ in range(_WARM_UP):
            next(steps)
    seconds: dict[Layout, list[float]] = {layout: [] for layout in steppers}
    began = time.monotonic()
    for _ in range(_ROUNDS):
        for layout, steps in steppers.items():
            seconds[layout].append(next(steps))
        if time.monotonic() - began > _SECONDS:
            break
    return seconds


def _timed_steps(training: Training) -> Iterator[float]:
    """Give the seconds of one training step after the other, for ever."""
    training.model.train()
    epoch = 0
    while True:
        epoch += 1
        steps = training.steps(epoch)
        while True:
            _wait(training.device)
            began = time.perf_counter()
            if next(steps, None) is None:
                break
            _wait(training.device)
            yield time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
