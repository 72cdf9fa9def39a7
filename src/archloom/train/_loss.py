"""The loss to train with: the task's own, smoothed, or shared with a teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import ConfigError, DataError
from archloom.task import Mixed, Target, Task
from archloom.train._recipe import Recipe

_SMALLEST = 1e-7  # of a teacher's probabilities, whose logarithm is taken

Loss = Callable[[Any, Tensor, "Tensor | None"], Tensor]


@dataclass(frozen=True, eq=False)
class Teacher:
    """What another model gave for each training sample, and how much it counts.

    `outputs` holds, in the order of the training split, probabilities for classes and labels and
    standardised values for numbers. They are softened by `temperature`; the task's own loss gets
    the share `hard` (Hinton et al. 2015, Distilling the Knowledge in a Neural Network).

    Raises:
        ConfigError: when a number is out of range.
    """

    outputs: Tensor
    temperature: float = 2.0
    hard: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"temperature must be above 0, got {self.temperature!r}.")
        if not 0 <= self.hard <= 1:
            raise ConfigError(f"hard is a share in [0, 1], got {self.hard!r}.")

    @property
    def fingerprint(self) -> str:
        """A hash of all that it teaches."""
        digest = hashlib.sha256(repr((self.temperature, self.hard)).encode())
        digest.update(self.outputs.detach().float().cpu().contiguous().numpy().data)
        return digest.hexdigest()[:32]


def training_loss(task: Task, recipe: Recipe, teacher: Teacher | None) -> Loss:
    """Give the function of (outputs, targets, teacher's outputs) to train with.

    Raises:
        ConfigError: when the task's loss allows no smoothing, or no teacher.
        DataError: when the teacher's outputs do not fit the training samples.
    """
    own = _smoothed(task, recipe)
    if teacher is None:
        return lambda outputs, targets, soft: own(outputs, targets)
    if not _kind(task):
        raise ConfigError(
            "soft_targets work with classes, labels and numbers and their own losses, got a task "
            "with a loss of its own: leave them out."
        )
    wanted = (len(task.train), task.outputs)
    if tuple(teacher.outputs.shape) != wanted:
        raise DataError(
            f"soft_targets must be of shape {wanted} (training samples, outputs), got "
            f"{tuple(teacher.outputs.shape)}."
        )
    if not bool(teacher.outputs.isfinite().all()):
        raise DataError("soft_targets must be finite, and some are NaN or infinite.")
    hard = teacher.hard

    def loss(outputs: Any, targets: Tensor, soft: Tensor | None) -> Tensor:
        assert soft is not None
        learned = distilled(task.target, outputs, soft, teacher.temperature)
        return (1 - hard) * learned + hard * own(outputs, targets) if hard else learned

    return loss


def soft_outputs(target: Target, outputs: Tensor) -> Tensor:
    """Turn a model's outputs into what it can teach: probabilities, and numbers as they are.

    >>> from archloom.task import Classes
    >>> soft_outputs(Classes(("cat", "dog")), torch.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """
    match target.kind:
        case "classes":
            return outputs.float().softmax(1)
        case "labels":
            return outputs.float().sigmoid()
    if isinstance(target, Mixed):
        mine = target.split(outputs)
        return torch.cat([soft_outputs(part, mine[n]) for n, part in target.parts.items()], 1)
    return outputs.float()


def distilled(target: Target, outputs: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """Give the loss of outputs against a teacher's, as `soft_outputs` gives them."""
    if not isinstance(target, Mixed):
        return _DISTILLED[target.kind](outputs, soft, temperature)
    mine, theirs, weights = target.split(outputs), target.split(soft), target.weights or {}
    parts = [
        weights.get(name, 1.0) * distilled(part, mine[name], theirs[name], temperature)
        for name, part in target.parts.items()
    ]
    return torch.stack(parts).sum()


def _as_class_teacher(outputs: Tensor, soft: Tensor, temperature: float) -> Tensor:
    # the gradients of softened targets shrink with the square of the temperature (section 2.1)
    target = (soft.float().clamp_min(_SMALLEST).log() / temperature).softmax(1)
    entropy = functional.cross_entropy(outputs / temperature, target)
    return entropy * temperature**2


def _as_label_teacher(outputs: Tensor, soft: Tensor, temperature: float) -> Tensor:
    target = (torch.logit(soft.float(), eps=_SMALLEST) / temperature).sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(outputs / temperature, target)
    return entropy * temperature**2


def _as_number_teacher(outputs: Tensor, soft: Tensor, temperature: float) -> Tensor:
    return functional.mse_loss(outputs, soft.float())


_DISTILLED: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "classes": _as_class_teacher,
    "labels": _as_label_teacher,
    "numbers": _as_number_teacher,
}


def _kind(task: Task) -> str:
    """Give the kind of the targets, "" where the task has a loss of its own."""
    own = task.loss not in (task.target.loss, functional.cross_entropy)
    return "" if own or task.target.kind == "custom" else task.target.kind


def _smoothed(task: Task, recipe: Recipe) -> Callable[[Any, Tensor], Tensor]:
    """Give the task's own loss with the recipe's label smoothing (Szegedy et al. 2016)."""
    if not recipe.label_smoothing:
        return task.loss
    if _kind(task) or task.target.kind == "custom":
        return task.target.smoothed(recipe.label_smoothing)
    raise ConfigError(
        f"label_smoothing works with the cross-entropy, got label_smoothing="
        f"{recipe.label_smoothing} for a task with a loss of its own: smooth there, and set "
        f"it to 0."
    )
