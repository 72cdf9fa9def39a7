"""Training: the inner loop over batches, with everything that it needs at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import ConfigError, Diverged, TrialError
from archloom.task import (
    Inputs,
    Split,
    Task,
    batch_count,
    batches,
    call_model,
    map_tensors,
    stratified_subset,
)
from archloom.train._augment import augment
from archloom.train._optimizer import make_optimizer
from archloom.train._predict import arranged, predict
from archloom.train._random import seed_everything
from archloom.train._recipe import Recipe
from archloom.train._schedule import lr_factor

Layout = Literal["channels_last", "contiguous"]

_FIRST_CHECK, _CHECK_EVERY = 8, 256  # steps; to look at the loss makes a GPU wait


class Training:
    """A model in training on a task. `epoch` trains one epoch, `validate` judges the model.

    The model is moved to the device and its convolution weights into the layout.

    >>> from archloom.task import digits
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> training = Training(model, digits(), Recipe(epochs=1), seed=0)
    >>> training.epoch(1) > 0
    True
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        layout: Layout = "contiguous",
    ) -> None:
        self.model = model.to(device)
        self.task = task.to(device)
        self.recipe = recipe
        self.seed = seed
        self.device = torch.device(device)
        self.channels_last = layout == "channels_last"
        set_layout(model, layout)
        self.split = _part(self.task.train, recipe.fraction)
        self.optimizer = make_optimizer(model, recipe, self.device)
        self.dtype = _dtype(recipe, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self._loss = _smoothed(self.task, recipe)

    @property
    def steps_an_epoch(self) -> int:
        """How many batches an epoch has."""
        return batch_count(len(self.split), self.recipe.batch_size)

    def example(self, count: int = 4) -> Inputs:
        """Give a few training samples as the model gets them."""
        few = self.split.take(torch.arange(min(count, len(self.split))))
        return self.task.prepare(arranged(few.inputs, self.channels_last))

    def epoch(self, number: int) -> float:
        """Train one epoch (from 1) and give the mean loss of its samples.

        Raises:
            Diverged: when the loss becomes NaN or infinite.
            TrialError: when the outputs do not fit the targets.
        """
        self.model.train()
        total, samples = torch.zeros((), device=self.device), 0
        for step, (loss, size) in enumerate(self.steps(number), start=1):
            total += loss * size
            samples += size
            if step == _FIRST_CHECK or step % _CHECK_EVERY == 0:
                self._require_finite(float(total), number)
        mean = float(total) / max(samples, 1)
        self._require_finite(mean, number)
        return mean

    def steps(self, epoch: int) -> Iterator[tuple[Tensor, int]]:
        """Take the steps of an epoch one by one, giving (loss, batch size) of each.

        All randomness, global states included, is seeded by (seed, epoch) at the start.
        """
        generator = seed_everything(self.seed, epoch)
        first = (epoch - 1) * self.steps_an_epoch
        cut = batches(self.split, self.recipe.batch_size, seed=self.seed, epoch=epoch)
        for number, (raw, targets) in enumerate(cut):
            self._set_rate(first + number)
            yield self._step(self._prepared(raw, generator), targets), len(targets)

    def validate(self) -> dict[str, float]:
        """Score the model on the validation split.

        Raises:
            Diverged: when the validation loss is NaN or infinite.
        """
        valid = self.task.valid
        outputs = predict(
            self.model,
            valid.inputs,
            self.task,
            channels_last=self.channels_last,
            precision=self._precision(),
        )
        self._check_shape(outputs, valid.targets)
        metrics = self.task.score(outputs, valid.targets)
        if not math.isfinite(metrics["loss"]):
            raise Diverged(
                f"The validation loss must be finite, got {metrics['loss']}: the weights or the "
                f"running statistics have grown out of range. Lower lr or set clip=1.0."
            )
        return metrics

    def _prepared(self, raw: Inputs, generator: torch.Generator) -> Inputs:
        if self.recipe.augment:
            ops = self.task.augment_ops
            raw = map_tensors(lambda tensor: augment(tensor, ops, generator), raw)
        return self.task.prepare(arranged(raw, self.channels_last))

    def _step(self, inputs: Inputs, targets: Tensor) -> Tensor:
        with self._precision():
            outputs = call_model(self.model, inputs)
            self._check_shape(outputs, targets)
            loss: Tensor = self._loss(outputs, targets)
        self.optimizer.zero_grad(set_to_none=True)
        scaled: Tensor = self.scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def _set_rate(self, step: int) -> None:
        factor = lr_factor(self.recipe, step, self.recipe.epochs * self.steps_an_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor

    def _precision(self) -> AbstractContextManager[Any]:
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def _check_shape(self, outputs: Any, targets: Tensor) -> None:
        if self.task.outputs is None:
            return
        wanted = (len(targets), self.task.outputs)
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        if shape != wanted:
            raise TrialError(
                f"The model's output must be of shape {wanted} (samples, classes) for the "
                f"targets of shape {tuple(targets.shape)}, got {shape}. Check the last layer, or "
                f"give the task a loss= that fits."
            )

    def _require_finite(self, loss: float, epoch: int) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"The training loss must be finite, got {loss} in epoch {epoch} with lr="
                f"{self.recipe.learning_rate:g}. Lower lr, set clip=1.0, or give warmup."
            )


def set_layout(model: nn.Module, layout: Layout) -> None:
    """Lay the convolution weights out in memory as the images will be; values stay the same."""
    order = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = _unmistakable(parameter.data.contiguous(memory_format=order), layout)


def _unmistakable(weight: Tensor, layout: Layout) -> Tensor:
    """Write the strides out where one input channel leaves open which layout they mean.

    Such a weight counts as laid out in both ways, and torch then takes the contiguous one: a first
    convolution of grey images would give maps that the next pooling needs ten times as long for.
    """
    if weight.shape[1] != 1:
        return weight
    outer, _, height, width = weight.shape
    area = height * width
    strides = (area, 1, width, 1) if layout == "channels_last" else (area, area, width, 1)
    return weight.as_strided((outer, 1, height, width), strides)


def _part(train: Split, fraction: float) -> Split:
    """Give the part to train on: the same one for every architecture, so that they compare."""
    if fraction == 1.0:
        return train
    return train.take(stratified_subset(train.targets, fraction, seed=0))


def _dtype(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    match recipe.amp:
        case "bf16":
            return torch.bfloat16
        case "fp16":
            return torch.float16
        case "auto" if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return None


def _smoothed(task: Task, recipe: Recipe) -> Any:
    """Give the loss to train with: the task's own, with the recipe's label smoothing."""
    if not recipe.label_smoothing:
        return task.loss
    if task.loss is not functional.cross_entropy:
        raise ConfigError(
            f"label_smoothing works with the cross-entropy, got label_smoothing="
            f"{recipe.label_smoothing} for a task with a loss of its own: smooth there, and set "
            f"it to 0."
        )

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets, label_smoothing=recipe.label_smoothing)

    return loss
