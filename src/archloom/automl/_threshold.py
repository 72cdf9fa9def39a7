"""The probability above which a binary classifier, or each label, says yes."""

from __future__ import annotations

from typing import Any

import torch

from archloom.automl._outputs import as_learnt, outputs_of
from archloom.ensemble import fit_threshold
from archloom.errors import ConfigError
from archloom.task import Task


def device_of(name: str) -> torch.device:
    """Give the device of that name; "auto" is a CUDA device where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def chosen_threshold(wanted: Any, model: torch.nn.Module, task: Task) -> float | None:
    """Give the threshold for yes-or-no questions, None for all others.

    "auto" and None are one half: what the ensemble stage tuned is in the model's outputs already.
    A metric's name tunes the threshold of a binary task on its validation split.
    """
    target = task.target
    binary = target.kind == "classes" and target.outputs == 2
    if not binary and target.kind != "labels":
        return None
    if wanted is None or wanted == "auto":
        return 0.5
    if not isinstance(wanted, str):
        return float(wanted)
    if not binary:
        raise ConfigError(
            f"A threshold can be tuned for two classes, got threshold={wanted!r} for several "
            f"labels: give a number."
        )
    outputs = outputs_of(model, task.valid.inputs, task.device)
    chances = target.finish(as_learnt(outputs, target))[:, 1]
    return fit_threshold(chances, task.valid.targets.cpu(), wanted)
