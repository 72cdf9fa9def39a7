"""distill: teach one network what an ensemble predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from archloom.ensemble._parts import parts_of, to_means
from archloom.errors import ConfigError
from archloom.task import Task
from archloom.train import Fitted, Recipe, fit, predict


def distill(
    student: nn.Module,
    teacher: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    temperature: float = 2.0,
    hard: float = 0.1,
    **settings: Any,
) -> Fitted:
    """Train `student` in place on what `teacher` predicts for the training data.

    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015 (arXiv 1503.02531). Both
    models take what `task.prepare` gives. The teacher's predictions are softened by
    `temperature`, and the true targets get the share `hard` of the loss. `settings` are further
    ones of `archloom.train.fit`.

    Raises:
        ConfigError: for a task whose targets have no such predictions.

    >>> from archloom.task import digits
    >>> task, recipe = digits(), Recipe(epochs=2, lr=0.01)
    >>> teacher, student = (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)) for _ in range(2))
    >>> _ = fit(teacher, task, recipe, seed=0)
    >>> distill(student, teacher, task, recipe, seed=1).metrics["accuracy"] > 0.8
    True
    """
    if task.target.kind not in ("classes", "labels", "numbers"):
        raise ConfigError(
            f"An ensemble is distilled for classes, labels or numbers, got a target of kind "
            f"{task.target.kind!r}: keep the ensemble itself."
        )
    outputs = predict(teacher.to(device), task.train.inputs, task, device=device)
    soft = to_means(outputs, parts_of(task.target)).float()
    options: Mapping[str, Any] = {"temperature": temperature, "hard": hard, **settings}
    return fit(student, task, recipe, seed=seed, device=device, soft_targets=soft, **options)
