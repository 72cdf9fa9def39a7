"""Progress: what a training has to remember to go on after an interruption."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archloom.objective import Objective
from archloom.task import Task
from archloom.train._checkpoint import load_tensors, save_tensors
from archloom.train._recipe import Recipe
from archloom.train._training import Layout, Training

CHECKPOINT = "checkpoint.pt"

Metrics = dict[str, float]


@dataclass
class Progress:
    """The epochs so far, and the weights of the best one where they are wanted."""

    objective: Objective
    keep_best: bool
    layout: Layout
    curve: list[tuple[int, Metrics]] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, Any] | None = None

    def best_epoch(self) -> int:
        """The number of the best epoch; of equal ones the one of lowest loss, then the first."""
        return max(self.curve, key=self._rank)[0]

    def add(self, metrics: Metrics, model: nn.Module) -> None:
        """Take in the next epoch's metrics, and its weights if they are the best."""
        self.curve.append((len(self.curve) + 1, metrics))
        if self.keep_best and self.best_epoch() == len(self.curve):
            self.best = copy.deepcopy(model.state_dict())

    def exhausted(self, patience: int | None) -> bool:
        """Whether `patience` epochs went by without a better one."""
        if patience is None or not self.curve:
            return False
        return len(self.curve) - self.best_epoch() >= patience

    def finish(self, model: nn.Module) -> Metrics:
        """Give the model its final weights, and the metrics that go with them."""
        if not self.keep_best or self.best is None:
            return self.curve[-1][1]
        model.load_state_dict(self.best)
        return self.curve[self.best_epoch() - 1][1]

    def _rank(self, point: tuple[int, Metrics]) -> tuple[float, float, int]:
        step, metrics = point
        value = metrics.get(self.objective.metric, math.nan)
        return self.objective.gain(value), -metrics["loss"], -step


@dataclass(frozen=True)
class Checkpoint:
    """The file that a training goes on from; without a folder, nothing is kept."""

    path: Path | None
    key: str = ""

    @classmethod
    def of(
        cls, folder: Path | None, model: nn.Module, task: Task, recipe: Recipe, seed: int
    ) -> Checkpoint:
        """Give the checkpoint in a folder; its key is a hash of all that must stay equal."""
        if folder is None:
            return cls(None)
        shapes = [(name, tuple(value.shape)) for name, value in _tensors(model)]
        text = repr((vars(recipe), seed, task.fingerprint, shapes, torch.__version__))
        return cls(folder / CHECKPOINT, hashlib.sha256(text.encode()).hexdigest()[:32])

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """Give what was saved; None when it is missing, torn, or of another training."""
        if self.path is None:
            return None
        saved = load_tensors(self.path, device)
        return saved if saved is not None and saved.get("key") == self.key else None

    def save(self, progress: Progress, training: Training) -> None:
        """Write down where the training stands, whole or not at all."""
        if self.path is None:
            return
        best_is_last = not progress.keep_best or progress.best_epoch() == len(progress.curve)
        content = {
            "key": self.key,
            "layout": progress.layout,
            "curve": [[step, metrics] for step, metrics in progress.curve],
            "seconds": progress.seconds,
            "best": None if best_is_last else progress.best,
            "model": training.model.state_dict(),
            "optimizer": training.optimizer.state_dict(),
            "scaler": training.scaler.state_dict(),
        }
        save_tensors(self.path, content)


def restore(saved: Mapping[str, Any], progress: Progress, training: Training) -> None:
    """Put progress, model and optimizer where the last saved epoch left them."""
    training.model.load_state_dict(saved["model"])
    training.optimizer.load_state_dict(saved["optimizer"])
    training.scaler.load_state_dict(saved["scaler"])
    progress.curve = [(int(step), dict(metrics)) for step, metrics in saved["curve"]]
    progress.seconds = float(saved["seconds"])
    if progress.keep_best:
        progress.best = saved["best"] or copy.deepcopy(training.model.state_dict())


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(k, v) for k, v in model.state_dict().items() if isinstance(v, Tensor)]
