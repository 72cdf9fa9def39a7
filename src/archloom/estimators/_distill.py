"""Distill: train an architecture on what another trial's model predicts."""

from __future__ import annotations

from dataclasses import dataclass, field

from archloom.ensemble import distill, load_model, save_outputs
from archloom.errors import ConfigError, Stopped
from archloom.estimators._base import Candidate
from archloom.estimators._check import check_estimator
from archloom.estimators._train import WEIGHTS, Train
from archloom.space import Space
from archloom.train import CHECKPOINT, predict, save_tensors


@dataclass(frozen=True)
class Distill:
    """Train like `train`, on the predictions of a teacher instead of the targets alone.

    `teacher` is the folder of the trial whose model teaches, beside the candidate's own:
    `"00012"`. See `archloom.ensemble.distill` for `temperature` and `hard`. Gives the metrics
    that `Train` gives, and leaves the same files.

    >>> Distill(Train(epochs=3), "00012").hard
    0.1
    """

    train: Train = field(default_factory=Train)
    teacher: str = ""
    temperature: float = 2.0
    hard: float = 0.1

    def __post_init__(self) -> None:
        if not self.teacher:
            raise ConfigError("Distill needs a teacher, the folder of a trial such as '00012'.")

    def check(self, space: Space) -> None:
        """Raise `ConfigError` if the training does not fit the space."""
        check_estimator(self.train, space)

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Train and give the validation metrics of the weights kept."""
        student = candidate.build()
        files = candidate.files.parent / self.teacher
        teacher = load_model(candidate.space, candidate.architecture, files)
        checkpoint = candidate.files / CHECKPOINT
        try:
            fitted = distill(
                student,
                teacher,
                candidate.task,
                self.train.recipe_for(candidate),
                seed=candidate.seed,
                device=candidate.device,
                temperature=self.temperature,
                hard=self.hard,
                files=candidate.files,
                report=candidate.report,
            )
        except Stopped:
            checkpoint.unlink(missing_ok=True)
            raise
        inputs = candidate.task.valid.inputs
        outputs = predict(student, inputs, candidate.task, device=candidate.device)
        save_outputs(candidate.files, outputs)
        save_tensors(candidate.files / WEIGHTS, student.state_dict())
        checkpoint.unlink(missing_ok=True)
        params = sum(parameter.numel() for parameter in student.parameters())
        return {**fitted.metrics, "epochs": float(fitted.epochs_run), "params": float(params)}
