"""Target: what is to be predicted, how it is learnt and how it is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from archloom.errors import ConfigError

Loss: TypeAlias = Callable[[Any, Tensor], Tensor]
Metric: TypeAlias = Callable[[Any, Tensor], "float | None"]


@runtime_checkable
class Target(Protocol):
    """What a task predicts: `Classes`, `Labels`, `Numbers`, or several of them, `Mixed`.

    >>> from archloom.task import Classes
    >>> isinstance(Classes(("cat", "dog")), Target)
    True
    """

    @property
    def kind(self) -> str:
        """One of classes, labels, numbers, mixed and custom."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each column of the model's output: classes, labels or numbers."""
        ...

    @property
    def outputs(self) -> int:
        """How many columns the model's output has."""
        ...

    @property
    def columns(self) -> int:
        """How many columns the targets have; class indices, of shape (n,), count as one."""
        ...

    @property
    def main(self) -> str:
        """The metric that training watches unless told otherwise."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Functions of (outputs, targets), None where a metric is not defined for them."""
        ...

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Give the mean loss over the samples."""
        ...

    def smoothed(self, amount: float) -> Loss:
        """Give the loss with label smoothing. Raises `ConfigError` where that means nothing."""
        ...

    def finish(self, outputs: Any) -> Any:
        """Turn a model's outputs into what users read: probabilities, or natural units."""
        ...

    def detail(self, outputs: Any, targets: Tensor) -> dict[str, float]:
        """Give the metrics of each label or column, named `auc[NAME]`, for a final result."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Give what `target_from_json` makes the target of again."""
        ...


@lru_cache(maxsize=64)
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Give the numbers as float32 on a device, the same tensor each time."""
    with torch.inference_mode(False):  # a tensor made in inference could not serve in training
        return torch.tensor(values, dtype=torch.float32, device=device)


def check_names(names: tuple[str, ...], what: str, least: int = 1) -> None:
    """Raise `ConfigError` unless there are at least `least` different names."""
    if len(names) < least:
        raise ConfigError(f"A target needs {least} or more {what}, got {len(names)}.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"Names of {what} must differ, got {twice[0]!r} more than once.")


def check_weights(weights: tuple[float, ...] | None, names: tuple[str, ...], what: str) -> None:
    """Raise `ConfigError` unless there is a positive finite weight for each name, or none."""
    if weights is None:
        return
    if len(weights) != len(names):
        raise ConfigError(
            f"Each of the {len(names)} {what} needs a weight, got {len(weights)} weights."
        )
    for name, weight in zip(names, weights, strict=True):
        if not 0.0 < weight < float("inf"):
            raise ConfigError(f"A weight is a positive finite number, got {weight} for {name!r}.")
