"""Training: the inner loop over batches, with everything that it needs at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from archloom.errors import Diverged, TrialError
from archloom.task import (
    Inputs,
    Split,
    Task,
    batch_count,
    call_model,
    epoch_order,
    stratified_subset,
)
from archloom.train._average import Average, has_statistics, measuring_statistics
from archloom.train._batch import Batch
from archloom.train._clock import Clock
from archloom.train._feed import Feed
from archloom.train._loss import Teacher, training_loss
from archloom.train._memory import forget_freed, out_of_memory, placed
from archloom.train._optimizer import make_optimizer
from archloom.train._predict import predict
from archloom.train._random import seed_everything
from archloom.train._recipe import Recipe
from archloom.train._schedule import lr_factor

Layout = Literal["channels_last", "contiguous"]

_FIRST_CHECK, _CHECK_EVERY = 8, 256  # steps; to look at the loss makes a GPU wait
_WAIT_EVERY = 16  # steps; under a clock, a GPU must not fall far behind what it was told
_FEW_STEPS = 200  # until running statistics of batch norms are trusted
_STATISTICS = 4096  # samples to measure the statistics of batch norms on


class Training:
    """A model in training on a task. `epoch` trains one epoch, `validate` judges the model.

    The model is moved to the device and its convolution weights into the layout. `clock` ends an
    epoch early, `teacher` gives soft targets besides the task's own.

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
        clock: Clock | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self.model = model.to(device)
        self.recipe = recipe
        self.seed = seed
        self.device = torch.device(device)
        self.task = placed(task, self.device)
        self.channels_last = layout == "channels_last"
        set_layout(model, layout)
        self.clock = clock or Clock()
        self.clock.valid_steps = len(task.valid) / recipe.batch_size
        self.average = Average(model, recipe)
        self.micro_batch: int | None = None  # samples at a time, once memory ran out
        self.taken = 0  # steps so far, those before a restart included
        self.optimizer = make_optimizer(model, recipe, self.device)
        self.dtype = amp_dtype(recipe, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self._feed = Feed(
            *(self.task, recipe, self.device), channels_last=self.channels_last, teacher=teacher
        )
        self._part = _part(task.train, recipe.fraction)
        self._loss = training_loss(self.task, recipe, teacher)

    @property
    def split(self) -> Split:
        """The samples trained on."""
        return self.task.train if self._part is None else self.task.train.take(self._part)

    @property
    def steps_an_epoch(self) -> int:
        """How many batches an epoch has."""
        return batch_count(self._samples, self.recipe.batch_size)

    def example(self, count: int = 4) -> Inputs:
        """Give a few training samples as the model gets them."""
        few = torch.arange(min(count, self._samples)) if self._part is None else self._part[:count]
        return self._feed.inputs(few)

    def epoch(self, number: int) -> float:
        """Train one epoch (from 1), or until the clock is over: give the samples' mean loss.

        Raises:
            Diverged: when the loss becomes NaN or infinite.
            TrialError: when the outputs do not fit the targets, or memory runs out even with one
                sample at a time.
        """
        self.model.train()
        total, samples = torch.zeros((), device=self.device), 0
        for step, (loss, size) in enumerate(self.steps(number), start=1):
            total += loss * size
            samples += size
            if step == _FIRST_CHECK or step % _CHECK_EVERY == 0:
                self._require_finite(float(total), number)
            if self.clock.over:
                break
        mean = float(total) / max(samples, 1)
        self._require_finite(mean, number)
        return mean

    def steps(self, epoch: int) -> Iterator[tuple[Tensor, int]]:
        """Take the steps of an epoch one by one, giving (loss, batch size) of each.

        All randomness, global states included, is seeded by (seed, epoch) at the start.
        """
        generator = seed_everything(self.seed, epoch)
        first = (epoch - 1) * self.steps_an_epoch
        for number, index in enumerate(self._cut(epoch), start=first):
            self.clock.step_begins()
            self._set_rate(number)
            loss = self._fitting_step(self._batch(index, generator))
            self.average.update(self._progress(number + 1))
            if self.clock.seconds is not None and number % _WAIT_EVERY == 0:
                wait_for(self.device)
            self.clock.step_ends()
            self.taken = number + 1
            yield loss, len(index)

    def validate(self) -> tuple[dict[str, float], Any]:
        """Score the model, as it is, on the validation split: give metrics and outputs.

        Raises:
            Diverged: when the validation loss is NaN or infinite.
        """
        valid = self.task.valid
        outputs = predict(
            self.model,
            valid.inputs,
            self.task,
            device=self.device,
            channels_last=self.channels_last,
            precision=self._precision(),
        )
        targets = valid.targets.to(self.device)
        self._check_shape(outputs, targets)
        metrics = self.task.score(outputs, targets)
        if not math.isfinite(metrics["loss"]):
            raise Diverged(
                f"The validation loss must be finite, got {metrics['loss']}: the weights or the "
                f"running statistics have grown out of range. Lower lr or set clip=1.0."
            )
        return metrics, outputs

    def settle_statistics(self) -> None:
        """Measure the statistics of batch norms anew while few steps were taken.

        Running means begin at 0 and 1 and follow slowly: after some ten steps a model can be good
        in training and guess in evaluation (Wu and Johnson 2021, arXiv 2105.07576, section 3).
        """
        if self.taken <= _FEW_STEPS and has_statistics(self.model):
            self.measure_statistics()

    def measure_statistics(self) -> None:
        """Measure the statistics of batch norms anew on training samples, as they are."""
        size = min(self.recipe.batch_size, self.micro_batch or self.recipe.batch_size)
        order = epoch_order(self._samples, self.seed, 0)[:_STATISTICS]
        with measuring_statistics(self.model), torch.no_grad(), self._precision():
            for index in torch.split(order[: max(len(order) // size, 1) * size], size):
                call_model(self.model, self._feed.inputs(self._places(index)))

    @property
    def _samples(self) -> int:
        return len(self.task.train) if self._part is None else len(self._part)

    def _cut(self, epoch: int) -> list[Tensor]:
        order = epoch_order(self._samples, self.seed, epoch)
        return list(torch.split(order, self.recipe.batch_size))[: self.steps_an_epoch]

    def _places(self, index: Tensor) -> Tensor:
        """Give the places in the whole training split of samples of the part."""
        return index if self._part is None else self._part[index]

    def _batch(self, index: Tensor, generator: torch.Generator) -> Batch:
        return self._feed.batch(self._places(index), generator)

    def _fitting_step(self, batch: Batch) -> Tensor:
        """Take a step, with as many samples at a time as memory can hold."""
        while True:
            try:
                return self._step(batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0][:200]
            # here the exception is gone, and with it the tensors of the frames it came from
            size = min(self.micro_batch or len(batch), len(batch))
            if size == 1:
                raise TrialError(
                    f"A training step must fit into the memory of {self.device}, and does not even "
                    f"with one sample at a time ({reason}). Use smaller inputs or a smaller "
                    f"model, or amp='bf16'."
                )
            self.micro_batch = (size + 1) // 2
            self.optimizer.zero_grad(set_to_none=True)
            forget_freed(self.device)

    def _step(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        total: Tensor | None = None
        for part, share in batch.parts(self.micro_batch):
            with self._precision():
                outputs = call_model(self.model, part.inputs)
                self._check_shape(outputs, part.targets)
                loss = part.loss(self._loss, outputs)
            if share != 1.0:
                loss = loss * share
            scaled: Tensor = self.scaler.scale(loss)
            scaled.backward()  # type: ignore[no-untyped-call]
            total = loss.detach() if total is None else total + loss.detach()
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        assert total is not None
        return total

    def _progress(self, step: int) -> float:
        return max(step / (self.recipe.epochs * self.steps_an_epoch), self.clock.share)

    def _set_rate(self, step: int) -> None:
        steps = self.recipe.epochs * self.steps_an_epoch
        at = min(max(step, self.clock.share * steps), steps - 1)
        if self.recipe.swa is not None:
            at = min(at, self.recipe.swa * steps)
        factor = lr_factor(self.recipe, at, steps)
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
                f"The model's output must be of shape {wanted} (samples, outputs) for the "
                f"targets of shape {tuple(targets.shape)}, got {shape}. Check the last layer, or "
                f"give the task a loss= that fits."
            )

    def _require_finite(self, loss: float, epoch: int) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"The training loss must be finite, got {loss} in epoch {epoch} with lr="
                f"{self.recipe.learning_rate:g}. Lower lr, set clip=1.0, or give warmup."
            )


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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


def _part(train: Split, fraction: float) -> Tensor | None:
    """Choose the part to train on: the same one for every architecture, so that they compare."""
    return None if fraction == 1.0 else stratified_subset(train.targets, fraction, seed=0)


def amp_dtype(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    """Give the number format of mixed precision, None for full precision."""
    match recipe.amp:
        case "bf16":
            return torch.bfloat16
        case "fp16":
            return torch.float16
        case "auto" if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return None
