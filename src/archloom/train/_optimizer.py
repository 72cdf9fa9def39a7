"""The optimizer of a recipe, with weight decay on weights only."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from archloom.errors import TrialError
from archloom.train._recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """Make the optimizer for the model's trainable parameters, fused where torch has it.

    Raises:
        TrialError: when the model has nothing to train.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise TrialError("The model has no trainable parameter: nothing can be learned.")
    # biases and the scales of norms are vectors; to decay them does harm (He et al. 2019)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    plain = all(p.dtype in (torch.float32, torch.float64) for p in trainable)
    fused = device.type in ("cpu", "cuda") and plain
    options: dict[str, Any] = {"lr": recipe.learning_rate, "fused": fused or None}
    match recipe.optimizer:
        case "sgd":
            momentum = recipe.momentum
            return torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, **options)
        case "adam":
            return torch.optim.Adam(groups, **options)
        case "adamw":
            return torch.optim.AdamW(groups, **options)
