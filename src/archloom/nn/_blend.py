"""Weighted sums of what options give: tensors, or structures of tensors of equal shapes."""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from archloom.errors import ConfigError, SpaceError


class UnequalShapes(SpaceError):
    """Options that cannot be summed, since their outputs differ in shape.

    Attributes:
        label: of the choice.
    """

    def __init__(self, label: str, said: str) -> None:
        super().__init__(said)
        self.label = label

    def __reduce__(self) -> tuple[Any, ...]:
        return UnequalShapes, (self.label, str(self))


def unbound(label: str, weights: Tensor, number: int) -> tuple[Tensor, ...]:
    """Give the weights of all options one by one.

    Raises:
        ConfigError: when there are not as many as options.
    """
    if weights.shape != (number,):
        raise ConfigError(
            f"{label!r} has {number} options and needs as many weights, got a tensor of shape "
            f"{tuple(weights.shape)}."
        )
    return weights.unbind(0)


def weighed(output: Any, weight: Tensor) -> Any:
    """Give the output times a weight."""
    if isinstance(output, Tensor):
        return output * weight
    return pytree.tree_map(lambda x: x * weight if isinstance(x, Tensor) else x, output)


def plus(first: Any, second: Any) -> Any:
    """Give the sum of two outputs."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first + second
    return pytree.tree_map(operator.add, first, second)


def shapes(output: Any) -> Any:
    """Give the shape of a tensor, or the shapes of all tensors in a structure."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    return pytree.tree_map(lambda x: tuple(x.shape) if isinstance(x, Tensor) else x, output)
