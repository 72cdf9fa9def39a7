"""fit: train a model on a task, so that a training cut off anywhere goes on to the same end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.task import Task
from archloom.train._allocator import release_memory, tune_allocator
from archloom.train._clock import Clock
from archloom.train._layout import choose_layout
from archloom.train._loss import Teacher
from archloom.train._memory import placed
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
    done for speed, and `outputs` are the model's for the validation split, on the CPU.
    """

    metrics: Mapping[str, float]
    curve: tuple[tuple[int, Mapping[str, float]], ...]
    epochs_run: int
    seconds: float
    fast_path: Mapping[str, Any] = field(default_factory=dict)
    outputs: Any = field(default=None, repr=False, compare=False)


def fit(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    epochs: int | None = None,
    until: int | None = None,
    files: Path | None = None,
    report: Report | None = None,
    layout: Layout | None = None,
    soft_targets: Tensor | None = None,
    temperature: float = 2.0,
    hard: float = 0.1,
    now: Callable[[], float] = time.monotonic,
) -> Fitted:
    """Train the model in place on the task's training split, validating after every epoch.

    After each epoch a checkpoint is written to `files` and then `report(epoch, metrics)` is
    called. Called again with the same arguments after an interruption, training goes on after
    the last epoch saved, reports the saved epochs once more, and ends with the same weights, bit
    for bit. `epochs` overrides the recipe's; `layout` is a choice of `measure_layout` made
    earlier. Global random states are left as they were.

    With `until`, training ends after that epoch, as if it were cut off there: schedules run over
    all epochs of the recipe, and a later call with a larger `until`, or none, goes on from the
    checkpoint.

    With `seconds` in the recipe, epochs are validated about every twentieth of the time only, and
    a training cut off keeps the time it has used; it ends alike but not bit for bit, since what
    fits into the time differs from run to run. `now` is the clock, in seconds.

    `soft_targets` are a teacher's outputs for the training samples, as `Teacher` takes them with
    `temperature` and `hard`: knowledge distillation.

    Raises:
        Diverged: when the loss becomes NaN or infinite.
        TrialError: when the model's output does not fit the targets.
        ConfigError: when the recipe does not fit the task, or for `until` with `seconds`, of
            which nobody knows how many epochs they will be.
        OSError: when a checkpoint cannot be written.

    >>> from archloom.task import digits
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> fitted = fit(model, digits(), Recipe(epochs=3, lr=0.01), seed=0)
    >>> fitted.epochs_run, fitted.metrics["accuracy"] > 0.8
    (3, True)
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    _check_until(until, recipe)
    clock = Clock(recipe.seconds, now=now)
    device = torch.device(device)
    objective = _objective(recipe, task)
    teacher = None
    if soft_targets is not None:
        teacher = Teacher(torch.as_tensor(soft_targets), temperature, hard)
    checkpoint = Checkpoint.of(files, model, task, recipe, seed, teacher)
    task = placed(task, device)
    release_memory()
    allocator = tune_allocator() if device.type == "cpu" else "untouched (not on the CPU)"
    with kept_random_state(device):
        saved = checkpoint.read(device)
        chosen = saved["layout"] if saved else layout
        chosen = chosen or choose_layout(model, task, recipe, device)
        training = Training(
            *(model, task, recipe),
            seed=seed,
            device=device,
            layout=chosen,
            clock=clock,
            teacher=teacher,
        )
        progress = Progress(objective, recipe.restore_best, chosen, training.average.wanted)
        if saved:
            restore(saved, progress, training)
        last = recipe.epochs if until is None else min(until, recipe.epochs)
        done = _run(training, progress, checkpoint, report or _silent, last)
    return _fitted(training, progress, {"layout": chosen, "allocator": allocator, **done})


def _fitted(training: Training, progress: Progress, fast_path: dict[str, Any]) -> Fitted:
    if training.micro_batch is not None:
        fast_path["micro_batch"] = training.micro_batch
    return Fitted(
        metrics=progress.finish(training.model),
        curve=tuple(progress.curve),
        epochs_run=progress.epoch,
        seconds=progress.seconds,
        fast_path=fast_path,
        outputs=progress.outputs,
    )


def _run(
    training: Training, progress: Progress, checkpoint: Checkpoint, report: Report, last: int
) -> dict[str, int]:
    """Train on the rewritten model; say how often each rewrite was made."""
    try:
        with rewritten(training.model, training.example()) as rewrites:
            _run_epochs(training, progress, checkpoint, report, last)
    finally:
        set_layout(training.model, "contiguous")
    return rewrites


def _run_epochs(
    training: Training, progress: Progress, checkpoint: Checkpoint, report: Report, last: int
) -> None:
    """Train the epochs that are left; an epoch is reported when it is safe on disk."""
    for step, metrics in progress.curve:
        report(step, metrics)
    recipe, clock = training.recipe, training.clock
    for epoch in range(progress.epoch + 1, last + 1):
        if progress.over or progress.exhausted(recipe.patience):
            return
        train_loss = training.epoch(epoch)
        over = clock.over
        if not (over or clock.due or epoch == last):
            continue
        began = clock.elapsed
        training.settle_statistics()
        with training.average.worn(training.measure_statistics):
            scores, outputs = training.validate()
            metrics = {**scores, "train_loss": train_loss}
            progress.add(epoch, metrics, training.model, outputs)
        clock.validated(began)
        progress.seconds, progress.over = clock.elapsed, over or clock.over
        checkpoint.save(progress, training)
        clock.validated(began)  # what is kept for the last validation includes the saving
        report(epoch, metrics)


def _objective(recipe: Recipe, task: Task) -> Objective:
    name = recipe.monitor or task.main_metric
    if name not in task.metric_names:
        raise ConfigError(
            f"monitor must be a validation metric, got {name!r}: "
            f"{did_you_mean(name, task.metric_names)}."
        )
    return Objective.parse(name)


def _check_until(until: int | None, recipe: Recipe) -> None:
    if until is None:
        return
    if isinstance(until, bool) or not isinstance(until, int) or until < 1:
        raise ConfigError(f"until must be a whole number of epochs from 1, got {until!r}.")
    if recipe.seconds is not None:
        raise ConfigError(
            f"Training until an epoch needs a schedule of epochs, and with seconds="
            f"{recipe.seconds:g} it runs over the time: set seconds to None."
        )


def _silent(step: int, metrics: Mapping[str, float]) -> None:
    """Report to nobody."""
