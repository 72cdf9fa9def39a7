"""Labels: several independent yes-or-no questions for every sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from archloom.task._label_metrics import (
    areas,
    label_accuracy,
    label_auc,
    label_average_precision,
    label_f1,
    precisions,
)
from archloom.task._target import Loss, Metric, check_names, check_weights, constant

_METRICS: Mapping[str, Metric] = {
    "auc": label_auc,
    "average_precision": label_average_precision,
    "accuracy": label_accuracy,
    "f1": label_f1,
}


@dataclass(frozen=True)
class Labels:
    """Any number of labels a sample: targets are 0 or 1, float32 (n, labels); outputs logits.

    The loss is the binary cross-entropy, the mean over samples and labels. `weights` has a number
    for each label that its positive samples count.

    >>> target = Labels(("effusion", "edema"))
    >>> target.main, target.outputs
    ('auc', 2)
    >>> target.finish(torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    kind: ClassVar[str] = "labels"
    main: ClassVar[str] = "auc"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        if self.weights is not None:
            object.__setattr__(self, "weights", tuple(map(float, self.weights)))
        check_names(self.names, "labels")
        check_weights(self.weights, self.names, "labels")

    @property
    def outputs(self) -> int:
        """The number of labels."""
        return len(self.names)

    @property
    def columns(self) -> int:
        """The number of labels."""
        return len(self.names)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Mean AUC, mean average precision, accuracy and F1 over the labels, from logits."""
        return _METRICS

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the binary cross-entropy."""
        weight = None if self.weights is None else constant(self.weights, outputs.device)
        return functional.binary_cross_entropy_with_logits(
            outputs.float(), targets, pos_weight=weight
        )

    def smoothed(self, amount: float) -> Loss:
        """Give the loss against targets that are moved by half of `amount` towards the middle."""
        return lambda outputs, targets: self.loss(outputs, targets * (1 - amount) + amount / 2)

    def finish(self, outputs: Tensor) -> Tensor:
        """Give the probability of each label, (n, labels)."""
        return outputs.sigmoid()

    def detail(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Give AUC and average precision of each label that has both values."""
        found = {"auc": areas(outputs, targets), "average_precision": precisions(outputs, targets)}
        return {
            f"{metric}[{name}]": value
            for metric, values in found.items()
            for name, value in zip(self.names, values, strict=True)
            if value is not None
        }

    def to_json(self) -> dict[str, Any]:
        """Give what `target_from_json` makes the target of again."""
        weights = None if self.weights is None else list(self.weights)
        return {"kind": self.kind, "names": list(self.names), "weights": weights}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make the target whose `to_json` gave this."""
        return cls(data["names"], data.get("weights"))


def balanced_positives(targets: Tensor) -> tuple[float, ...]:
    """Give each label its negative samples divided by its positive ones, none counted as one.

    >>> balanced_positives(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    (3.0, 1.0)
    """
    positive = targets.double().sum(0)
    ratios = (len(targets) - positive).clamp_min(1) / positive.clamp_min(1)
    return tuple(torch.as_tensor(ratios).tolist())
