"""Scorer: how good weights of a supernet are, with batch statistics measured anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archloom.architecture import Architecture, Value
from archloom.nn import Assignment, Supernet
from archloom.oneshot._freeze import NORMS
from archloom.oneshot._passes import on_device
from archloom.task import Task, call_model, epoch_order, map_tensors
from archloom.train import (
    Feed,
    Layout,
    Recipe,
    has_statistics,
    measuring_statistics,
    predict,
    set_layout,
)


class Scorer:
    """Gives a task's validation metrics of a model whose weights come from a supernet.

    Running statistics of batch norms belong to all paths that were trained, not to one, so they
    are measured anew on `batches` batches of training samples, always the same ones (SPOS, arXiv
    1904.00420, section 3.4). Nothing is trained.

    >>> from archloom.task import digits
    >>> model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))
    >>> sorted(Scorer(digits())(model))[:2]
    ['accuracy', 'auc']
    """

    def __init__(
        self,
        task: Task,
        *,
        device: torch.device | str = "cpu",
        layout: Layout = "contiguous",
        batches: int = 16,
        batch_size: int = 128,
    ) -> None:
        self.task = task
        self.device = torch.device(device)
        self.layout: Layout = layout
        self._last = layout == "channels_last"
        self._feed = Feed(task, Recipe(), self.device, channels_last=self._last)
        order = epoch_order(len(task.train), 0, 0)[: batches * batch_size]
        self._size = batch_size
        size = min(batch_size, len(order))
        self._batches: list[Tensor] = list(torch.split(order[: len(order) // size * size], size))

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Give the metrics of a model, whose batch statistics then are those measured."""
        return self._measured(model)

    def child(
        self, supernet: Supernet, architecture: Architecture | Mapping[str, Value]
    ) -> dict[str, float]:
        """Give the metrics of an architecture with the supernet's weights, which stay."""
        model = supernet.child(architecture)
        set_layout(model, self.layout)
        return self._measured(model)

    def path(
        self, supernet: Supernet, assignment: Assignment, partial: int = 1
    ) -> dict[str, float]:
        """Give the metrics of the supernet itself under an assignment; it stays as it is.

        Batch norms take the statistics of each validation batch, since no running ones fit.
        """
        valid = self.task.valid
        order = epoch_order(len(valid), 0, 0)
        parts = torch.tensor_split(order, -(-len(order) // self._size))
        gates = on_device(assignment, self.device)
        with _batch_statistics(supernet), supernet.routed(gates, partial=partial), torch.no_grad():
            found = [
                map_tensors(lambda x: x.float(), call_model(supernet, self._feed.prepared(inputs)))
                for inputs in (valid.take(part).to(self.device).inputs for part in parts)
            ]
        outputs = map_tensors(lambda *tensors: torch.cat(tensors), found[0], *found[1:])
        targets = valid.targets[order.to(valid.targets.device)]
        return self.task.score(outputs, targets.to(self.device))

    def _measured(self, model: nn.Module) -> dict[str, float]:
        if has_statistics(model):
            with measuring_statistics(model), torch.no_grad():
                for places in self._batches:
                    call_model(model, self._feed.inputs(places))
        valid = self.task.valid
        outputs = predict(
            model, valid.inputs, self.task, device=self.device, channels_last=self._last
        )
        return self.task.score(outputs, valid.targets.to(self.device))


@contextmanager
def _batch_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms work with each batch's statistics, all else as in evaluation.

    Modes come back at the end, running statistics too.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for module in model.modules():
        if isinstance(module, NORMS):
            module.train()
    try:
        with kept_buffers(model):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def kept_buffers(model: nn.Module) -> Iterator[None]:
    """Put the model's buffers, its running statistics, back at the end."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
