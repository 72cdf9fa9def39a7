"""Feed: training samples as batches that a model takes."""

from __future__ import annotations

import torch
from torch import Tensor

from archloom.task import Inputs, Task
from archloom.train._augmentation import Augmentation
from archloom.train._batch import Batch
from archloom.train._loss import Teacher
from archloom.train._predict import arranged
from archloom.train._recipe import Recipe


class Feed:
    """The training samples of a task as a recipe wants them: augmented, prepared, laid out.

    `teacher` gives soft targets besides the task's own.

    >>> from archloom.task import digits
    >>> feed = Feed(digits(), Recipe(), torch.device("cpu"))
    >>> feed.batch(torch.arange(4), torch.Generator()).inputs.shape
    torch.Size([4, 1, 8, 8])
    """

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        device: torch.device,
        *,
        channels_last: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        self.task = task
        self.device = device
        self.channels_last = channels_last
        self._teacher = teacher
        self._augmentation = Augmentation.of(recipe, task)

    def batch(self, places: Tensor, generator: torch.Generator) -> Batch:
        """Give the samples at `places`, changed at random where the recipe asks for it."""
        samples = self.task.train.take(places).to(self.device)
        teacher = self._teacher
        soft = None if teacher is None else teacher.outputs[places.cpu()].to(self.device)
        if not self._augmentation:
            return Batch(self.prepared(samples.inputs), samples.targets, soft)
        inputs = self._augmentation.inputs(samples.inputs, self.task.prepare, generator)
        batch = Batch(arranged(inputs, self.channels_last), samples.targets, soft)
        return self._augmentation.mixed(batch, generator)

    def inputs(self, places: Tensor) -> Inputs:
        """Give the inputs of the samples at `places` as they are."""
        return self.prepared(self.task.train.take(places).to(self.device).inputs)

    def prepared(self, raw: Inputs) -> Inputs:
        """Give stored inputs as the model gets them."""
        return self.task.prepare(arranged(raw, self.channels_last))
