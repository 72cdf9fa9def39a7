from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archloom import BlackBox, Candidate, Experiment, Random
from archloom.nn import ModelSpace, Pick, model_space
from archloom.task import Task, from_arrays


@model_space
def toy(pick: Pick, shape: list[int], classes: int, widest: int = 24) -> nn.Module:
    width = pick.value("width", [4, 8, widest])
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width)]
    if pick.value("relu", [False, True]):
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(width, classes))


def by_width(candidate: Candidate) -> Mapping[str, float]:
    """Wider is better: an estimator that needs no training."""
    width, relu = candidate.architecture["width"], candidate.architecture["relu"]
    assert isinstance(width, int)
    return {"accuracy": width / 100 + (0.001 if relu else 0.0)}


@pytest.fixture(scope="session")
def task() -> Task:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(120, 1, 4, 4, generator=generator)
    labels = (images.mean((1, 2, 3)) > 0.5).long()
    return from_arrays(images, labels, valid=0.25, test=0.2, seed=0, name="brightness")


@pytest.fixture
def space() -> ModelSpace:
    return toy


Make = Callable[..., Experiment]


@pytest.fixture
def make(task: Task, space: ModelSpace, tmp_path: Path) -> Make:
    def build(estimator: Any = by_width, trials: int = 4, **settings: Any) -> Experiment:
        stages = settings.pop("stages", None) or [
            BlackBox(settings.pop("strategy", Random()), estimator, trials=trials)
        ]
        settings = {"progress": False, "seed": 1, **settings}
        return Experiment(
            settings.pop("space", space),
            settings.pop("task", task),
            stages,
            settings.pop("folder", tmp_path / "run"),
            **settings,
        )

    return build
