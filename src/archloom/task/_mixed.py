"""Mixed: several targets of different kinds for every sample, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from archloom.errors import ConfigError, did_you_mean
from archloom.task._classes import Classes
from archloom.task._multilabel import Labels
from archloom.task._numbers import Numbers
from archloom.task._target import Loss, Metric, Target


@dataclass(frozen=True)
class Mixed:
    """Several targets, by name: their output columns lie side by side in the order given.

    Targets are float32 (n, columns) side by side too, class indices as floats. The loss is the
    sum of the parts' losses, each times its weight (1 where none is given). Metrics and columns
    carry the part's name in front: `price.rmse`.

    >>> target = Mixed({"kind": Classes(("cat", "dog")), "age": Numbers(("years",))})
    >>> target.outputs, target.columns, target.names
    (3, 2, ('kind.cat', 'kind.dog', 'age.years'))
    >>> {name: tuple(part.shape) for name, part in target.split(torch.zeros(5, 3)).items()}
    {'kind': (5, 2), 'age': (5, 1)}
    """

    parts: Mapping[str, Target]
    weights: Mapping[str, float] | None = None

    kind: ClassVar[str] = "mixed"
    main: ClassVar[str] = "loss"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", dict(self.parts))
        if not self.parts:
            raise ConfigError("A mixed target needs at least one part, got none.")
        for name, part in self.parts.items():
            if not isinstance(part, Classes | Labels | Numbers):
                raise ConfigError(
                    f"The parts of a mixed target are Classes, Labels or Numbers, got {part!r} as "
                    f"{name!r}."
                )
        for name, weight in (self.weights or {}).items():
            if name not in self.parts:
                raise ConfigError(f"There is no part {name!r}: {did_you_mean(name, self.parts)}.")
            if not 0.0 < weight < float("inf"):
                raise ConfigError(
                    f"A weight is a positive finite number, got {weight} for {name!r}."
                )

    @property
    def names(self) -> tuple[str, ...]:
        """PART.NAME for each output column."""
        return tuple(
            f"{part}.{name}" for part, target in self.parts.items() for name in target.names
        )

    @property
    def outputs(self) -> int:
        """The output columns of all parts."""
        return sum(part.outputs for part in self.parts.values())

    @property
    def columns(self) -> int:
        """The target columns of all parts."""
        return sum(part.columns for part in self.parts.values())

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics of all parts, named PART.METRIC."""
        return {
            f"{name}.{metric}": partial(_of_part, self, name, judge)
            for name, part in self.parts.items()
            for metric, judge in part.metrics.items()
        }

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the weighted sum of the parts' losses."""
        return self._summed({name: part.loss for name, part in self.parts.items()})(
            outputs, targets
        )

    def smoothed(self, amount: float) -> Loss:
        """Give the loss with label smoothing in the parts that have labels; at least one must."""
        smoothed = {
            name: part.loss if isinstance(part, Numbers) else part.smoothed(amount)
            for name, part in self.parts.items()
        }
        if all(isinstance(part, Numbers) for part in self.parts.values()):
            next(iter(self.parts.values())).smoothed(amount)  # raises
        return self._summed(smoothed)

    def _summed(self, losses: Mapping[str, Loss]) -> Loss:
        weights = self.weights or {}

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            parts, wanted = self.split(outputs), self.split_targets(targets)
            terms = [
                one(parts[name], wanted[name]) * weights.get(name, 1.0)
                for name, one in losses.items()
            ]
            return torch.stack(terms).sum()

        return loss

    def split(self, outputs: Tensor) -> dict[str, Tensor]:
        """Cut outputs into those of each part, (n, its outputs)."""
        return dict(self._cut(outputs, lambda part: part.outputs))

    def split_targets(self, targets: Tensor) -> dict[str, Tensor]:
        """Cut targets into those of each part, class indices as int64 of shape (n,)."""
        return {
            name: columns[:, 0].long() if isinstance(self.parts[name], Classes) else columns
            for name, columns in self._cut(targets, lambda part: part.columns)
        }

    def join_targets(self, targets: Mapping[str, Tensor]) -> Tensor:
        """Put the targets of the parts side by side: what `split_targets` takes apart."""
        return torch.cat(
            [targets[name].float().reshape(len(targets[name]), -1) for name in self.parts], 1
        )

    def _cut(self, tensor: Tensor, width: Callable[[Target], int]) -> Iterator[tuple[str, Tensor]]:
        start = 0
        for name, part in self.parts.items():
            yield name, tensor[:, start : start + width(part)]
            start += width(part)

    def finish(self, outputs: Tensor) -> Tensor:
        """Give probabilities and natural units side by side, in the columns of the outputs."""
        parts = self.split(outputs)
        return torch.cat([part.finish(parts[name]) for name, part in self.parts.items()], 1)

    def detail(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Give the details of all parts, named PART.METRIC[NAME]."""
        values, wanted = self.split(outputs), self.split_targets(targets)
        return {
            f"{name}.{metric}": value
            for name, part in self.parts.items()
            for metric, value in part.detail(values[name], wanted[name]).items()
        }

    def to_json(self) -> dict[str, Any]:
        """Give what `target_from_json` makes the target of again."""
        parts = {name: part.to_json() for name, part in self.parts.items()}
        weights = None if self.weights is None else dict(self.weights)
        return {"kind": self.kind, "parts": parts, "weights": weights}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make the target whose `to_json` gave this."""
        parts = {name: target_from_json(part) for name, part in data["parts"].items()}
        return cls(parts, data.get("weights"))


def _of_part(
    target: Mixed, name: str, metric: Metric, outputs: Tensor, targets: Tensor
) -> float | None:
    return metric(target.split(outputs)[name], target.split_targets(targets)[name])


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Target]] = {
    "classes": Classes.from_json,
    "labels": Labels.from_json,
    "numbers": Numbers.from_json,
    "mixed": Mixed.from_json,
}


def target_from_json(data: Mapping[str, Any]) -> Target:
    """Make the target whose `to_json` gave this.

    Raises:
        ConfigError: for a kind that is not known.

    >>> target_from_json(Numbers(("price",), (1.0,), (2.0,)).to_json())
    Numbers(names=('price',), mean=(1.0,), std=(2.0,), huber=None)
    """
    kind = str(data.get("kind"))
    if kind not in _KINDS:
        raise ConfigError(f"There is no target of kind {kind!r}: {did_you_mean(kind, _KINDS)}.")
    return _KINDS[kind](data)
