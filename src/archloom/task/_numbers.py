"""Numbers: one or several real numbers for every sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import ConfigError
from archloom.task._number_metrics import column_mae, column_r2, column_rmse, mae, r2, rmse
from archloom.task._target import Loss, Metric, check_names, constant


@dataclass(frozen=True)
class Numbers:
    """Regression: targets are float32 (n, numbers) in natural units; outputs are standardised.

    A model of this target gives `(value - mean) / std`, so that it starts near the right size
    whatever the units are; the loss is the mean squared error there, or the Huber loss that turns
    linear `huber` deviations away. `finish` and the metrics are in natural units.
    Without `mean` and `std` the values are taken as they are; `from_arrays` measures both on the
    training data then.

    >>> target = Numbers(("price",), mean=(100.0,), std=(20.0,))
    >>> target.finish(torch.tensor([[0.5]]))
    tensor([[110.]])
    >>> target.loss(torch.tensor([[0.5]]), torch.tensor([[120.0]]))
    tensor(0.2500)
    """

    names: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    huber: float | None = None

    kind: ClassVar[str] = "numbers"
    main: ClassVar[str] = "rmse"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))
        check_names(self.names, "numbers")
        if len(self.mean) != len(self.std) or len(self.mean) not in (0, len(self.names)):
            raise ConfigError(
                f"Each of the {len(self.names)} numbers needs a mean and a deviation, got "
                f"{len(self.mean)} and {len(self.std)}."
            )
        for value in (*self.mean, *self.std):
            if not math.isfinite(value):
                raise ConfigError(f"Mean and deviation must be finite, got {value}.")
        for value in (*self.std, *([] if self.huber is None else [self.huber])):
            if value <= 0:
                raise ConfigError(f"A deviation and huber= must be above 0, got {value}.")

    @property
    def outputs(self) -> int:
        """How many numbers a sample has."""
        return len(self.names)

    @property
    def columns(self) -> int:
        """How many numbers a sample has."""
        return len(self.names)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Mean absolute error, root of the mean squared error and R2, the mean over columns."""
        found = {"mae": mae, "rmse": rmse, "r2": r2}
        return {name: partial(_in_natural_units, self, metric) for name, metric in found.items()}

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the squared (or Huber) error in deviations, the mean over samples and columns."""
        wanted = self.standardised(targets)
        if self.huber is None:
            return functional.mse_loss(outputs.float(), wanted)
        return functional.huber_loss(outputs.float(), wanted, delta=self.huber)

    def smoothed(self, amount: float) -> Loss:
        """Raise `ConfigError`: numbers have no labels to smooth."""
        raise ConfigError(
            f"Label smoothing spreads a class over the others and means nothing for numbers, got "
            f"label_smoothing={amount}: set it to 0."
        )

    def standardised(self, targets: Tensor) -> Tensor:
        """Give `(targets - mean) / std`, what the model learns to give."""
        if not self.mean:
            return targets
        mean, std = self._scale(targets)
        return (targets - mean) / std

    def finish(self, outputs: Tensor) -> Tensor:
        """Give the numbers in natural units, float32 (n, numbers)."""
        if not self.mean:
            return outputs.float()
        mean, std = self._scale(outputs)
        return outputs.float() * std + mean

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return constant(self.mean, like.device), constant(self.std, like.device)

    def detail(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Give the metrics of each column where there are several."""
        if len(self.names) == 1:
            return {}
        values = self.finish(outputs)
        found: dict[str, Sequence[float | None]] = {
            "mae": column_mae(values, targets),
            "rmse": column_rmse(values, targets),
            "r2": column_r2(values, targets),
        }
        return {
            f"{metric}[{name}]": value
            for metric, column in found.items()
            for name, value in zip(self.names, column, strict=True)
            if value is not None
        }

    def measured(self, targets: Tensor) -> Self:
        """Give the target with mean and deviation of these targets; a constant column gets 1."""
        spread, centre = torch.var_mean(targets.double(), dim=0, correction=0)
        std = torch.where(spread > 0, spread.sqrt(), 1.0)
        return replace(self, mean=tuple(centre.tolist()), std=tuple(std.tolist()))

    def to_json(self) -> dict[str, Any]:
        """Give what `target_from_json` makes the target of again."""
        data: dict[str, Any] = {"kind": self.kind, "names": list(self.names)}
        data |= {"mean": list(self.mean), "std": list(self.std)}
        return data if self.huber is None else {**data, "huber": self.huber}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make the target whose `to_json` gave this."""
        return cls(data["names"], data.get("mean", ()), data.get("std", ()), data.get("huber"))


def _in_natural_units(
    target: Numbers, metric: Metric, outputs: Tensor, targets: Tensor
) -> float | None:
    return metric(target.finish(outputs), targets)
