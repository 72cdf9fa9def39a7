"""Candidates with a notebook in place of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom.architecture import Architecture
from archloom.estimators import Candidate
from archloom.nn import ModelSpace, Pick, model_space
from archloom.task import Task, from_arrays


@model_space
def dense(pick: Pick, features: int = 12, classes: int = 3) -> nn.Module:
    """A hidden layer of a width to choose."""
    width = pick.value("width", [8, 16])
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, classes))


@dataclass
class Notes:
    """What was reported and remembered."""

    reports: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def report(self, step: int, metrics: Any) -> None:
        self.reports.append((step, dict(metrics)))

    def remember(self, key: str, measure: Callable[[], Any]) -> Any:
        if key not in self.values:
            self.values[key] = measure()
        return self.values[key]


@pytest.fixture
def space() -> ModelSpace:
    """The space of the candidates."""
    return dense


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="session")
def task() -> Task:
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    return from_arrays(rng.normal(labels[:, None], 1.0, (150, 12)), labels, valid=0.2)


@pytest.fixture
def candidate(notes: Notes, task: Task, tmp_path: Path) -> Callable[..., Candidate]:
    """Make a candidate; arguments replace its parts."""

    def make(values: dict[str, Any] | None = None, **parts: Any) -> Candidate:
        space: ModelSpace = parts.pop("space", dense)
        standard: dict[str, Any] = {
            "architecture": Architecture(values or {"width": 8}),
            "space": space,
            "task": task,
            "seed": 4,
            "epochs": None,
            "files": tmp_path / "trial",
            "device": torch.device("cpu"),
            "report": notes.report,
            "remember": notes.remember,
        }
        return Candidate(**{**standard, **parts})

    return make
