"""Augmentation: a policy, applied to the batches of one training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archloom.task import Inputs, Task, map_tensors
from archloom.train._augment import moved
from archloom.train._batch import Batch
from archloom.train._draws import Draws
from archloom.train._image_ops import changed
from archloom.train._mixing import mixed
from archloom.train._policy import CHOOSING, CHOSEN, operations
from archloom.train._recipe import Recipe
from archloom.train._row_ops import changed_table, changed_text
from archloom.train._series_ops import early, late, observed

Prepare = Callable[[Inputs], Inputs]


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The operations of a recipe for a task; those that fit no input of it do nothing.

    >>> from archloom.task import digits
    >>> Augmentation.of(Recipe(augment="light"), digits()).ops
    ('shift',)
    """

    ops: tuple[str, ...]
    strength: float
    choose: int
    fixed: bool
    kinds: Any
    fills: Any
    masks: tuple[int, ...]

    @classmethod
    def of(cls, recipe: Recipe, task: Task) -> Augmentation:
        """Give the augmentation that a recipe means for a task.

        Raises:
            ConfigError: when an operation is named that changes what samples mean, and the task
                does not allow it.
        """
        ops = operations(recipe.augment, task) if recipe.augment_strength else ()
        choose, fixed = CHOOSING.get(str(recipe.augment).partition("-")[0], (0, False))
        masks = _mask_channels(task)
        norms = task.normalisation or map_tensors(lambda _: None, task.train.inputs)

        def fill(tensor: Tensor, norm: Any) -> Tensor:
            nothing = torch.zeros(tensor.shape[1] if tensor.ndim > 1 else 1)
            return nothing if masks or norm is None else norm.mean.float()

        fills = map_tensors(fill, task.train.inputs, norms)
        return cls(ops, recipe.augment_strength, choose, fixed, task.kinds, fills, masks)

    def __bool__(self) -> bool:
        return bool(self.ops)

    def inputs(self, raw: Inputs, prepare: Prepare, generator: torch.Generator) -> Inputs:
        """Give a batch of stored inputs changed and prepared."""
        draws = map_tensors(lambda x, kind: self._draws(len(x), kind, generator), raw, self.kinds)
        raw = map_tensors(self._early, raw, self.kinds, draws, self.fills)
        seen = map_tensors(lambda x, kind: (self._seen(x, kind),), raw, self.kinds)
        out: Inputs = map_tensors(self._late, prepare(raw), self.kinds, draws, seen)
        return out

    def mixed(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Give the batch with its samples mixed, where the policy mixes."""
        return mixed(batch, self.ops, self.strength, generator)

    def _draws(self, count: int, kind: str, generator: torch.Generator) -> Draws:
        among = [op for op in self.ops if op in CHOSEN.get(kind, ())] if self.choose else []
        return Draws(
            *(self.ops, count, generator, self.strength),
            choose=self.choose,
            among=among,
            fixed=self.fixed,
        )

    def _early(self, x: Tensor, kind: str, draws: Draws, fill: Tensor) -> Tensor:
        """Move what is moved by whole steps, on the values as they are stored."""
        if kind in ("image", "volume"):
            return moved(x, draws)
        return early(x, draws, fill, self.masks) if kind == "series" else x

    def _seen(self, x: Tensor, kind: str) -> Tensor | None:
        return observed(x, self.masks) if kind == "series" else None

    def _late(self, x: Tensor, kind: str, draws: Draws, seen: tuple[Tensor | None]) -> Tensor:
        """Change what needs numbers of mean 0 and deviation 1."""
        if kind == "text":
            return changed_text(x, draws)
        if not x.is_floating_point():
            return x
        if kind == "series":
            return late(x, draws, seen[0])
        return changed_table(x, draws) if kind == "table" else changed(x, draws)


def _mask_channels(task: Task) -> tuple[int, ...]:
    """Give the channels of series that say what was observed, as the task or its encoder tells."""
    for teller in (task, task.encoder):
        found: Any = getattr(teller, "mask_channels", None)
        if found is not None:
            return tuple(found)
    return ()
