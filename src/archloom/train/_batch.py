"""Batch: samples as the model gets them, with one set of targets or a mixture of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from archloom.task import Inputs, map_tensors

BatchLoss = Callable[["object", Tensor, "Tensor | None"], Tensor]
"""(outputs, targets, soft targets or None) to the mean loss of the samples."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs with their targets, and the teacher's outputs for them where there is a teacher.

    Of mixed samples, `other` holds the second ones' targets, and `weight` is the first ones'
    share of the loss.
    """

    inputs: Inputs
    targets: Tensor
    soft: Tensor | None = None
    other: Batch | None = None
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.targets)

    def loss(self, loss: BatchLoss, outputs: object) -> Tensor:
        """Give the loss of the outputs: of mixed samples, the mixture of two losses."""
        value = loss(outputs, self.targets, self.soft)
        if self.other is None:
            return value
        return self.weight * value + (1 - self.weight) * self.other.loss(loss, outputs)

    def parts(self, size: int | None) -> Iterator[tuple[Batch, float]]:
        """Cut the batch into about equal parts of at most `size`, each with its share."""
        if size is None or size >= len(self):
            yield self, 1.0
            return
        count = -(-len(self) // size)
        ends = [len(self) * number // count for number in range(count + 1)]
        for start, end in pairwise(ends):
            yield self._cut(slice(start, end)), (end - start) / len(self)

    def _cut(self, cut: slice) -> Batch:
        return Batch(
            map_tensors(lambda tensor: tensor[cut], self.inputs),
            self.targets[cut],
            None if self.soft is None else self.soft[cut],
            None if self.other is None else self.other._cut(cut),
            self.weight,
        )
