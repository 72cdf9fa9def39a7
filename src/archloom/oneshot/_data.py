"""The bilevel split: which training samples the weights learn from, and which the architecture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError
from archloom.task import (
    Classes,
    Task,
    batch_count,
    epoch_order,
    grouped_split,
    mix,
    strata,
    stratified_split,
)


@dataclass(frozen=True, eq=False)
class Halves:
    """Places of training samples: `weights` and `arch` share none, or are both all of them."""

    weights: Tensor
    arch: Tensor

    @cached_property
    def fingerprint(self) -> str:
        """A hash of which samples are on which side."""
        digest = hashlib.sha256()
        for places in (self.weights, self.arch):
            digest.update(places.cpu().numpy().tobytes() + b"|")
        return digest.hexdigest()[:16]

    @property
    def apart(self) -> bool:
        """Whether the two learn from different samples."""
        return self.weights is not self.arch


def whole(task: Task) -> Halves:
    """Give all training samples to both.

    >>> from archloom.task import digits
    >>> whole(digits()).apart
    False
    """
    places = torch.arange(len(task.train))
    return Halves(places, places)


def halve(task: Task, arch_share: float = 0.5, seed: int = 0) -> Halves:
    """Cut the training samples in two: classes keep their shares, groups stay together.

    Raises:
        ConfigError: when a side would have fewer samples than there are classes, or than two.

    >>> from archloom.task import digits
    >>> halves = halve(digits())
    >>> len(halves.weights), len(halves.arch)
    (539, 540)
    """
    train = task.train
    known = torch.from_numpy(strata(train.targets, task.target))
    try:
        if task.groups is None:
            parts = stratified_split(known, (arch_share,), mix(seed, 21))
        else:
            groups = task.groups[: len(train)]
            classes = isinstance(task.target, Classes)
            parts = grouped_split(known, groups, (arch_share,), mix(seed, 21), classes=classes)
    except DataError as error:
        raise ConfigError(
            f"The training data must be cut in two, one part for the weights and one for the "
            f"architecture, and cannot: {error}"
        ) from error
    least = max(2, task.target.outputs if isinstance(task.target, Classes) else 2)
    smallest = min(len(part) for part in parts)
    if smallest < least:
        raise ConfigError(
            f"The training data are cut in two, one part for the weights and one for the "
            f"architecture, and each needs {least} samples or more "
            f"({'one a class' if least > 2 else 'for batch statistics'}); of {len(train)} samples "
            f"the smaller part gets {smallest}. Give more data, another arch_share, or take a "
            f"method that needs no such split, such as 'spos'."
        )
    return Halves(*parts)


def epoch_batches(places: Tensor, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Give the places of each batch of an epoch, in the order that (seed, epoch) fixes.

    >>> [len(batch) for batch in epoch_batches(torch.arange(10), 4, seed=0, epoch=1)]
    [4, 4, 2]
    """
    order = epoch_order(len(places), seed, epoch)
    count = batch_count(len(places), batch_size)
    return [places[part] for part in torch.split(order, batch_size)[:count]]


def endless_batches(places: Tensor, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Give batches without end: every sample once, then all again in another order."""
    turn = 0
    while True:
        yield from epoch_batches(places, batch_size, mix(seed, turn, 22), epoch)
        turn += 1
