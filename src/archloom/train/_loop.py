"""fit: train a model on a task, so that a training cut off anywhere goes on to the same end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.task import Task
from archloom.train._allocator import release_memory, tune_allocator
from archloom.train._layout import choose_layout
from archloom.train._progress import Checkpoint, Progress, restore
from archloom.train._random import kept_random_state
from archloom.train._recipe import Recipe
from archloom.train._rewrite import rewritten
from archloom.train._training import Layout, Training, set_layout

Report = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Fitted:
    """What a training gave.

    `metrics` are the validation metrics of the weights that the model ended with, `curve` holds
    (epoch, metrics) of every epoch, `seconds` sums over restarts, `fast_path` says what was
    done for speed.
    """

    metrics: Mapping[str, float]
    curve: tuple[tuple[int, Mapping[str, float]], ...]
    epochs_run: int
    seconds: float
    fast_path: Mapping[str, Any] = field(default_factory=dict)


def fit(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    epochs: int | None = None,
    files: Path | None = None,
    report: Report | None = None,
    layout: Layout | None = None,
) -> Fitted:
    """Train the model in place on the task's training split, validating after every epoch.

    After each epoch a checkpoint is written to `files` and then `report(epoch, metrics)` is
    called. Called again with the same arguments after an interruption, training goes on after
    the last epoch saved, reports the saved epochs once more, and ends with the same weights, bit
    for bit. `epochs` overrides the recipe's; `layout` is a choice of `measure_layout` made
    earlier. Global random states are left as they were.

    Raises:
        Diverged: when the loss becomes NaN or infinite.
        TrialError: when the model's output does not fit the targets.
        ConfigError: when the recipe does not fit the task.
        OSError: when a checkpoint cannot be written.

    >>> from archloom.task import digits
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> fitted = fit(model, digits(), Recipe(epochs=3, lr=0.01), seed=0)
    >>> fitted.epochs_run, fitted.metrics["accuracy"] > 0.8
    (3, True)
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    device = torch.device(device)
    objective = _objective(recipe, task)
    checkpoint = Checkpoint.of(files, model, task, recipe, seed)
    task = task.to(device)
    release_memory()
    allocator = tune_allocator() if device.type == "cpu" else "untouched (not on the CPU)"
    with kept_random_state(device):
        saved = checkpoint.read(device)
        chosen = saved["layout"] if saved else layout
        chosen = chosen or choose_layout(model, task, recipe, device)
        training = Training(model, task, recipe, seed=seed, device=device, layout=chosen)
        progress = Progress(objective, recipe.restore_best, chosen)
        if saved:
            restore(saved, progress, training)
        try:
            with rewritten(model, training.example()) as rewrites:
                _run(training, progress, checkpoint, report or _silent)
        finally:
            set_layout(model, "contiguous")
    return Fitted(
        metrics=progress.finish(model),
        curve=tuple(progress.curve),
        epochs_run=len(progress.curve),
        seconds=progress.seconds,
        fast_path={"layout": chosen, "allocator": allocator, **rewrites},
    )


def _run(training: Training, progress: Progress, checkpoint: Checkpoint, report: Report) -> None:
    """Train the epochs that are left; an epoch is reported when it is safe on disk."""
    began = time.monotonic() - progress.seconds
    for step, metrics in progress.curve:
        report(step, metrics)
    recipe = training.recipe
    for epoch in range(len(progress.curve) + 1, recipe.epochs + 1):
        if progress.exhausted(recipe.patience):
            return
        train_loss = training.epoch(epoch)
        metrics = {**training.validate(), "train_loss": train_loss}
        progress.add(metrics, training.model)
        progress.seconds = time.monotonic() - began
        checkpoint.save(progress, training)
        report(epoch, metrics)


def _objective(recipe: Recipe, task: Task) -> Objective:
    name = recipe.monitor or task.main_metric
    if name not in task.metric_names:
        raise ConfigError(
            f"monitor must be a validation metric, got {name!r}: "
            f"{did_you_mean(name, task.metric_names)}."
        )
    return Objective.parse(name)


def _silent(step: int, metrics: Mapping[str, float]) -> None:
    """Report to nobody."""
