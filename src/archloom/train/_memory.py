"""Memory: what to do when a batch does not fit, and where the data shall lie."""

from __future__ import annotations

import torch

from archloom.task import Task, leaves

_CPU_MESSAGES = ("not enough memory", "can't allocate memory", "cannot allocate memory")
_DATA_SHARE = 0.5  # of the free memory of a GPU; models, activations and gradients want the rest


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on whatever device.

    >>> out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"))
    True
    >>> out_of_memory(RuntimeError("shapes cannot be multiplied"))
    False
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _CPU_MESSAGES)


def forget_freed(device: torch.device) -> None:
    """Let a GPU's allocator hand back what is free, so that another cut of it can be made."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def placed(task: Task, device: torch.device, limit: float | None = None) -> Task:
    """Give the task with its data on the device, or as it is where they do not fit there.

    They fit when training and validation data take at most `limit` bytes: half of what a GPU has
    free, without limit on a CPU. Data left behind travel batch by batch.
    """
    if device.type == "cuda" and limit is None:
        limit = _DATA_SHARE * torch.cuda.mem_get_info(device)[0]
    if limit is not None and task_bytes(task) > limit:
        return task
    return task.to(device)


def task_bytes(task: Task) -> int:
    """Count the bytes of the training and validation data.

    >>> from archloom.task import digits
    >>> task_bytes(digits())
    103536
    """
    tensors = [
        tensor
        for split in (task.train, task.valid)
        for tensor in (split.targets, *(leaf for _, leaf in leaves(split.inputs)))
    ]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
