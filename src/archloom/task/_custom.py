"""Custom: targets that only a loss of the user's own understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from archloom.errors import ConfigError
from archloom.task._target import Loss, Metric


@dataclass(frozen=True)
class Custom:
    """Targets of any shape with a loss of one's own; models may give whatever it takes."""

    names: tuple[str, ...]
    own_loss: Loss

    kind: ClassVar[str] = "custom"
    main: ClassVar[str] = "loss"
    metrics: ClassVar[Mapping[str, Metric]] = {}

    @property
    def outputs(self) -> int:
        """How many names there are; the loss alone knows what a model must give."""
        return len(self.names)

    @property
    def columns(self) -> int:
        """How many names there are."""
        return len(self.names)

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Give the user's loss."""
        return self.own_loss(outputs, targets)

    def smoothed(self, amount: float) -> Loss:
        """Raise `ConfigError`: what smoothing would mean is not known."""
        raise ConfigError(
            f"label_smoothing works with the cross-entropy, got label_smoothing={amount} for a "
            f"task with a loss of its own: smooth there, and set it to 0."
        )

    def finish(self, outputs: Any) -> Any:
        """Give the outputs as they are."""
        return outputs

    def detail(self, outputs: Any, targets: Tensor) -> dict[str, float]:
        """Give nothing."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Describe the target; a function is no JSON, so it cannot be made again of this."""
        return {"kind": self.kind, "names": list(self.names)}
