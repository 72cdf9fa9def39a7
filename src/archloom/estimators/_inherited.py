"""Inherited: judge an architecture by the weights that a supernet has for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from archloom.errors import ConfigError, Diverged
from archloom.estimators._base import Candidate
from archloom.oneshot import Scorer, find_supernet, load_supernet
from archloom.space import Space
from archloom.task import Task
from archloom.train import Layout, placed


@dataclass(frozen=True)
class Inherited:
    """Score the candidate with weights inherited from the supernet of an earlier stage.

    Nothing is trained: the candidate's model takes its weights out of the supernet, its batch
    norms are measured anew on `batches` batches of training samples, and the task's metrics on
    validation data are the result, besides `inherited`, which is 1. The scores rank architectures;
    trained from scratch they are better (SPOS, arXiv 1904.00420, section 3.4).

    `stage` is the name of the `OneShot` stage whose supernet is used. It is loaded once a process.

    Raises (when called):
        ConfigError: when the run has no such supernet.
        RunError: when its file is damaged or belongs to another space.

    >>> Inherited(batches=4).stage
    'supernet'
    """

    stage: str = "supernet"
    batches: int = 16
    batch_size: int = 128

    def __post_init__(self) -> None:
        for name in ("batches", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"{name} of Inherited must be a whole number from 1, got {value!r}."
                )

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the validation metrics of the candidate with inherited weights."""
        path = find_supernet(candidate.files, self.stage)
        stored = load_supernet(path, candidate.space, candidate.device)
        scorer = _scorer(
            *(candidate.task, str(candidate.device), stored.layout),
            *(self.batches, self.batch_size),
        )
        return finite(scorer.child(stored.supernet, candidate.architecture))

    def check(self, space: Space) -> None:
        """Raise `ConfigError` for a choice that sets the training: nothing is trained here."""
        for label in space.labels:
            if label.startswith("train."):
                raise ConfigError(
                    f"{label!r} sets the training, and inherited scores train nothing: leave it "
                    f"out of the joint space."
                )


def finite(metrics: dict[str, float]) -> dict[str, float]:
    """Give inherited metrics, marked as such.

    Raises:
        Diverged: when the loss is NaN or infinite.
    """
    if not math.isfinite(metrics["loss"]):
        raise Diverged(
            f"The validation loss must be finite, got {metrics['loss']}: with the supernet's "
            f"weights the architecture's outputs grow out of range. Train the supernet longer, "
            f"or with a lower lr."
        )
    return {**metrics, "inherited": 1.0}


@lru_cache(maxsize=1)
def _scorer(task: Task, device: str, layout: Layout, batches: int, batch_size: int) -> Scorer:
    """Give the scorer of a task, whose data go to the device once."""
    where = torch.device(device)
    return Scorer(
        placed(task, where),
        device=where,
        layout=layout,
        batches=batches,
        batch_size=batch_size,
    )
