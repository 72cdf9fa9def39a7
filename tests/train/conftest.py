"""A small task of pictures and a small network with everything that a training has to restore."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from archloom.task import Task, digits, from_arrays


@pytest.fixture(scope="session")
def task() -> Task:
    """240 of the digits, so that an epoch takes milliseconds."""
    whole = digits()
    few = whole.train.take(torch.arange(240))
    rest = whole.valid.take(torch.arange(80))
    return from_arrays(
        few.inputs,
        few.targets,
        valid=(rest.inputs, rest.targets),
        classes=10,
        augment_ops=("shift", "flip"),
    )


@pytest.fixture
def make_model() -> Callable[[], nn.Module]:
    """Convolutions, batch normalisation, pooling and dropout; the same weights each time."""

    def make() -> nn.Module:
        torch.manual_seed(5)
        return nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, 10)),
        )

    return make
