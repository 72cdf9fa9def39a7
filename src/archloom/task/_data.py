"""Split: inputs and targets held as tensors, and the three forms that inputs may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Inputs: TypeAlias = "Tensor | tuple[Tensor, ...] | dict[str, Tensor]"
"""What a model is called with: one tensor, several by position, or several by name."""

Outputs: TypeAlias = "Tensor | tuple[Tensor, ...] | dict[str, Tensor]"
"""What a model gives back: one tensor or several."""


def map_tensors(change: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `change` to each tensor of a tree; further trees of the same form go along.

    >>> map_tensors(lambda t: t.shape[0], (torch.zeros(3), torch.zeros(4)))
    (3, 4)
    """
    if isinstance(tree, dict):
        return {k: change(v, *(other[k] for other in others)) for k, v in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(change(v, *(o[i] for o in others)) for i, v in enumerate(tree))
    return change(tree, *others)


def leaves(tree: Any) -> list[tuple[str, Any]]:
    """Give each member of a tree with the text that names it in messages, '' for a lone one."""
    if isinstance(tree, dict):
        return [(f"[{key!r}]", value) for key, value in tree.items()]
    if isinstance(tree, tuple | list):
        return [(f"[{index}]", value) for index, value in enumerate(tree)]
    return [("", tree)]


def call_model(model: Callable[..., Any], inputs: Inputs) -> Any:
    """Call the model with one tensor, with a tuple by position, with a dict by name.

    >>> call_model(lambda a, b: a + b, (torch.ones(1), torch.ones(1)))
    tensor([2.])
    """
    if isinstance(inputs, dict):
        return model(**inputs)
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(inputs)


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs and targets of one part of the data, first axis the samples.

    >>> split = Split(torch.zeros(5, 3), torch.tensor([0, 1, 0, 1, 1]))
    >>> len(split), len(split.take(torch.tensor([0, 4])))
    (5, 2)
    """

    inputs: Inputs
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: Tensor) -> Split:
        """Give the samples at `index`, copied."""
        index = index.to(self.targets.device)
        inputs = map_tensors(lambda tensor: tensor.index_select(0, index), self.inputs)
        return Split(inputs, self.targets.index_select(0, index))

    def to(self, device: torch.device | str) -> Split:
        """Give the same samples on another device; nothing is copied when they are there."""
        return Split(
            map_tensors(lambda tensor: tensor.to(device), self.inputs), self.targets.to(device)
        )
