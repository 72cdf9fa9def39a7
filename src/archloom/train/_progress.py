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
from archloom.task import Task, map_tensors
from archloom.train._checkpoint import load_tensors, save_tensors
from archloom.train._loss import Teacher
from archloom.train._recipe import Recipe
from archloom.train._training import Layout, Training

CHECKPOINT = "checkpoint.pt"

Metrics = dict[str, float]


@dataclass
class Progress:
    """The epochs so far, and the weights of the best one where they are wanted.

    With `averaged` the model in training never has the weights that are validated, so those are
    kept in any case. `outputs` are those for the validation split. `over` says that the time is
    used up, so that there is nothing to go on with.
    """

    objective: Objective
    keep_best: bool
    layout: Layout
    averaged: bool = False
    curve: list[tuple[int, Metrics]] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, Any] | None = None
    over: bool = False
    outputs: Any = None

    @property
    def epoch(self) -> int:
        """The last epoch validated, 0 before the first."""
        return self.curve[-1][0] if self.curve else 0

    @property
    def best_is_last(self) -> bool:
        """Whether no earlier epoch was better than the last."""
        return self._best_place() == len(self.curve) - 1

    def add(self, epoch: int, metrics: Metrics, model: nn.Module, outputs: Any) -> None:
        """Take in an epoch's metrics, and its weights and outputs if they are the best."""
        self.curve.append((epoch, metrics))
        if self.best_is_last or not self.keep_best:
            self.outputs = map_tensors(lambda tensor: tensor.detach().cpu(), outputs)
        if self.best_is_last if self.keep_best else self.averaged:
            self.best = copy.deepcopy(model.state_dict())

    def exhausted(self, patience: int | None) -> bool:
        """Whether `patience` validations went by without a better one."""
        if patience is None or not self.curve:
            return False
        return len(self.curve) - 1 - self._best_place() >= patience

    def finish(self, model: nn.Module) -> Metrics:
        """Give the model its final weights, and the metrics that go with them."""
        if self.best is not None:
            model.load_state_dict(self.best)
        return self.curve[self._best_place() if self.keep_best else -1][1]

    def _best_place(self) -> int:
        """The place of the best epoch; of equal ones that of lowest loss, then the first."""
        return max(range(len(self.curve)), key=lambda place: self._rank(self.curve[place]))

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
        cls,
        folder: Path | None,
        model: nn.Module,
        task: Task,
        recipe: Recipe,
        seed: int,
        teacher: Teacher | None = None,
    ) -> Checkpoint:
        """Give the checkpoint in a folder; its key is a hash of all that must stay equal."""
        if folder is None:
            return cls(None)
        shapes = [(name, tuple(value.shape)) for name, value in _tensors(model)]
        taught = None if teacher is None else teacher.fingerprint
        text = repr((vars(recipe), seed, task.fingerprint, shapes, torch.__version__, taught))
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
        # the last weights need no second copy, unless averaged ones were validated in their place
        same = progress.best_is_last and not training.average.begun
        content = {
            "key": self.key,
            "layout": progress.layout,
            "curve": [[step, metrics] for step, metrics in progress.curve],
            "seconds": progress.seconds,
            "over": progress.over,
            "outputs": progress.outputs,
            "best": None if same else progress.best,
            "model": training.model.state_dict(),
            "optimizer": training.optimizer.state_dict(),
            "scaler": training.scaler.state_dict(),
            "clock": training.clock.state_dict(),
            "average": training.average.state_dict(),
            "micro_batch": training.micro_batch,
        }
        save_tensors(self.path, content)


def restore(saved: Mapping[str, Any], progress: Progress, training: Training) -> None:
    """Put progress, model and optimizer where the last saved epoch left them."""
    training.model.load_state_dict(saved["model"])
    training.optimizer.load_state_dict(saved["optimizer"])
    training.scaler.load_state_dict(saved["scaler"])
    progress.curve = [(int(step), dict(metrics)) for step, metrics in saved["curve"]]
    training.clock.load_state_dict(saved["clock"])
    training.average.load_state_dict(saved["average"])
    training.micro_batch = saved["micro_batch"]
    progress.seconds, progress.over = float(saved["seconds"]), bool(saved["over"])
    progress.outputs = saved["outputs"]
    if progress.keep_best or progress.averaged:
        progress.best = saved["best"] or copy.deepcopy(training.model.state_dict())


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(k, v) for k, v in model.state_dict().items() if isinstance(v, Tensor)]
