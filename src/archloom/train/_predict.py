"""Outputs of a model for many samples, without gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from archloom.task import Inputs, Task, call_model, leaves, map_tensors
from archloom.train._memory import forget_freed, out_of_memory
from archloom.train._views import PLAIN, allowed_views, check_views, mean_outputs, seen


def predict(
    model: nn.Module,
    inputs: Inputs,
    task: Task,
    *,
    device: torch.device | str | None = None,
    batch_size: int = 256,
    channels_last: bool = False,
    precision: AbstractContextManager[Any] | None = None,
    views: bool | Sequence[str] = False,
) -> Any:
    """Give the model's outputs for raw inputs, which the task's normalisation prepares.

    The model runs in eval mode on `device`, where it must be, by default where the task is, and
    goes back to the mode it was in. Several outputs keep their form. A batch that memory cannot
    hold is halved.

    `views` averages over several forms of each image (test-time augmentation): `plain`, `flip`,
    `vflip`, `dflip`, a pixel to the `left`, `right`, `up` or `down`, or some of them joined by
    spaces; True takes all that the task's `augment_ops` allow. The outputs then finish as the
    mean of the finished ones; a task with a loss of its own gets the mean of the outputs.

    Raises:
        ConfigError: for a view that is not known.

    >>> from archloom.task import digits
    >>> model, task = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits()
    >>> predict(model, task.valid.inputs, task).shape
    torch.Size([359, 10])
    """
    training = model.training
    where = task.device if device is None else torch.device(device)
    looks = _looks(views, task)
    model.eval()
    try:
        with torch.inference_mode(), precision or nullcontext():
            parts = list(_parts(model, inputs, task, where, batch_size, channels_last, looks))
    finally:
        model.train(training)
    # joined outside of inference mode: ordinary tensors, that further steps may work on
    return map_tensors(lambda *tensors: torch.cat(tensors), parts[0], *parts[1:])


def _looks(views: bool | Sequence[str], task: Task) -> tuple[str, ...]:
    if isinstance(views, bool):
        return allowed_views(task.augment_ops) if views else (PLAIN,)
    check_views(views)
    return tuple(views)


def _parts(
    model: nn.Module,
    inputs: Inputs,
    task: Task,
    device: torch.device,
    batch_size: int,
    channels_last: bool,
    views: Sequence[str],
) -> Iterator[Any]:
    count = len(leaves(inputs)[0][1])
    start = 0
    while start < count:
        cut = slice(start, min(start + batch_size, count))
        raw = map_tensors(lambda tensor, cut=cut: tensor[cut].to(device), inputs)
        try:
            yield _outputs(model, raw, task, channels_last, views)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or cut.stop - start == 1:
                raise
        else:
            start = cut.stop
            continue
        batch_size = (cut.stop - start + 1) // 2
        forget_freed(device)


def _outputs(
    model: nn.Module, raw: Inputs, task: Task, channels_last: bool, views: Sequence[str]
) -> Any:
    found = []
    for view in views:
        form = map_tensors(lambda tensor, view=view: seen(tensor, view), raw)
        outputs = call_model(model, task.prepare(arranged(form, channels_last)))
        found.append(map_tensors(lambda tensor: tensor.float(), outputs))
    if len(found) == 1:
        return found[0]
    if task.outputs is not None:
        return mean_outputs(found, task.target)
    return map_tensors(lambda *tensors: torch.stack(tensors).mean(0), found[0], *found[1:])


def arranged(inputs: Inputs, channels_last: bool) -> Inputs:
    """Give images in the memory layout wanted; all other inputs as they are."""
    if not channels_last:
        return inputs

    def change(tensor: Tensor) -> Tensor:
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor

    changed: Inputs = map_tensors(change, inputs)
    return changed
