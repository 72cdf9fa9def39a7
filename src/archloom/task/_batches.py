"""Cut batches from tensors in memory: one permutation an epoch, one gather a batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from archloom.task._data import Inputs, Split, map_tensors
from archloom.task._seeds import mix


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """Give the order in which an epoch visits `count` samples; (seed, epoch) fixes it.

    >>> bool((epoch_order(9, 0, 1) == epoch_order(9, 0, 1)).all())
    True
    """
    generator = torch.Generator().manual_seed(mix(seed, epoch, 3))
    return torch.randperm(count, generator=generator)


def batch_count(count: int, batch_size: int) -> int:
    """Give the number of batches that `batches` cuts from `count` shuffled samples."""
    full, rest = divmod(count, batch_size)
    return full + (rest > 1 or (rest == 1 and full == 0))


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    device: torch.device | str | None = None,
) -> Iterator[tuple[Inputs, Tensor]]:
    """Iterate over (inputs, targets) as stored, neither normalised nor converted.

    With a seed the samples come in the order of `epoch_order`, and a last batch of a single
    sample is left out, since batch normalisation cannot train on one. Without, they come in
    their own order, all of them, as views.

    >>> split = Split(torch.arange(10.0).reshape(5, 2), torch.tensor([0, 1, 0, 1, 1]))
    >>> [len(targets) for _, targets in batches(split, 2)]
    [2, 2, 1]
    >>> [len(targets) for _, targets in batches(split, 2, seed=0, epoch=1)]
    [2, 2]
    """
    target_device = split.targets.device if device is None else torch.device(device)
    for part in _parts(split, batch_size, seed, epoch):
        same = part.targets.device == target_device
        yield (part.inputs, part.targets) if same else _moved(part, target_device)


def _parts(split: Split, batch_size: int, seed: int | None, epoch: int) -> Iterator[Split]:
    if seed is None:
        for start in range(0, len(split), batch_size):
            cut = slice(start, start + batch_size)
            yield Split(map_tensors(lambda t, cut=cut: t[cut], split.inputs), split.targets[cut])
        return
    order = epoch_order(len(split), seed, epoch).to(split.targets.device)
    for number in range(batch_count(len(split), batch_size)):
        yield split.take(order[number * batch_size : (number + 1) * batch_size])


def _moved(part: Split, device: torch.device) -> tuple[Inputs, Tensor]:
    part = part.to(device)
    return part.inputs, part.targets
