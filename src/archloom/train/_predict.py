"""Outputs of a model for many samples, without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from archloom.task import Inputs, Split, Task, batches, call_model, leaves, map_tensors


def predict(
    model: nn.Module,
    inputs: Inputs,
    task: Task,
    *,
    device: torch.device | str | None = None,
    batch_size: int = 256,
    channels_last: bool = False,
    precision: AbstractContextManager[Any] | None = None,
) -> Any:
    """Give the model's outputs for raw inputs, which the task's normalisation prepares.

    The model runs in eval mode on `device`, where it must be, by default where the task is, and
    goes back to the mode it was in. Several outputs keep their form.

    >>> from archloom.task import digits
    >>> model, task = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits()
    >>> predict(model, task.valid.inputs, task).shape
    torch.Size([359, 10])
    """
    task = task if device is None else task.to(device)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), precision or nullcontext():
            parts = list(_parts(model, inputs, task, batch_size, channels_last))
    finally:
        model.train(training)
    # joined outside of inference mode: ordinary tensors, that further steps may work on
    return map_tensors(lambda *tensors: torch.cat(tensors), parts[0], *parts[1:])


def _parts(
    model: nn.Module, inputs: Inputs, task: Task, batch_size: int, channels_last: bool
) -> Iterator[Any]:
    first: Tensor = leaves(inputs)[0][1]
    split = Split(inputs, torch.empty(len(first), 0))
    for raw, _ in batches(split, batch_size, device=task.device):
        outputs = call_model(model, task.prepare(arranged(raw, channels_last)))
        yield map_tensors(lambda tensor: tensor.float(), outputs)


def arranged(inputs: Inputs, channels_last: bool) -> Inputs:
    """Give images in the memory layout wanted; all other inputs as they are."""
    if not channels_last:
        return inputs

    def change(tensor: Tensor) -> Tensor:
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor

    changed: Inputs = map_tensors(change, inputs)
    return changed
