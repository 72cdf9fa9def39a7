"""Classes: one of several classes for every sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from archloom.task._metrics import (
    accuracy,
    auc,
    balanced_accuracy,
    calibration_error,
    f1,
    log_loss,
    quadratic_kappa,
)
from archloom.task._target import Loss, Metric, check_names, check_weights, constant

_METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auc": auc,
    "f1": f1,
    "log_loss": log_loss,
    "calibration_error": calibration_error,
}


@dataclass(frozen=True)
class Classes:
    """One class a sample: targets are indices, int64 of shape (n,); outputs are logits.

    The loss is the cross-entropy. `weights` has a number for each class that its samples count
    in the loss, divided by the sum of the weights of the batch; metrics are not weighted.
    `ordinal` says that the classes are grades in order, and adds the `quadratic_kappa`.

    >>> target = Classes(("cat", "dog"))
    >>> target.outputs, target.main, sorted(target.metrics)[:3]
    (2, 'accuracy', ['accuracy', 'auc', 'balanced_accuracy'])
    >>> target.finish(torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    ordinal: bool = False

    kind: ClassVar[str] = "classes"
    main: ClassVar[str] = "accuracy"
    columns: ClassVar[int] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        if self.weights is not None:
            object.__setattr__(self, "weights", tuple(map(float, self.weights)))
        check_names(self.names, "classes")
        check_weights(self.weights, self.names, "classes")

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return len(self.names)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy, balanced accuracy, AUC, F1, log loss and calibration error, from logits."""
        return {**_METRICS, "quadratic_kappa": quadratic_kappa} if self.ordinal else _METRICS

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Give the cross-entropy, weighted where the target has weights."""
        return self._cross_entropy(outputs, targets, 0.0)

    def smoothed(self, amount: float) -> Loss:
        """Give the loss with `amount` of each target spread over all classes."""
        return lambda outputs, targets: self._cross_entropy(outputs, targets, amount)

    def _cross_entropy(self, outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        if self.weights is None:
            return functional.cross_entropy(outputs, targets, label_smoothing=smoothing)
        weight = constant(self.weights, outputs.device)
        return functional.cross_entropy(
            outputs.float(), targets, weight=weight, label_smoothing=smoothing
        )

    def finish(self, outputs: Tensor) -> Tensor:
        """Give the probability of each class, (n, classes)."""
        return outputs.softmax(1)

    def detail(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Give nothing: the confusion matrix tells the classes apart."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Give what `target_from_json` makes the target of again."""
        weights = None if self.weights is None else list(self.weights)
        data: dict[str, Any] = {"kind": self.kind, "names": list(self.names), "weights": weights}
        return {**data, "ordinal": True} if self.ordinal else data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make the target whose `to_json` gave this."""
        return cls(data["names"], data.get("weights"), data.get("ordinal", False))


def balanced_weights(targets: Tensor, classes: int) -> tuple[float, ...]:
    """Give each class n / (classes * its samples), as scikit-learn's "balanced".

    A class without samples counts as one with one.

    >>> balanced_weights(torch.tensor([0, 0, 0, 1]), 2)
    (0.6666666666666666, 2.0)
    """
    counts: Sequence[int] = torch.bincount(targets, minlength=classes).clamp_min(1).tolist()
    return tuple(len(targets) / (classes * count) for count in counts)
