"""Test: the final evaluation, the only stage that opens the test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archloom.ensemble import find_leaves, load_model
from archloom.errors import RunError
from archloom.nn import ModelSpace
from archloom.stages._evidence import evidence
from archloom.stages._finalists import finalists
from archloom.stages._kept import has_weights
from archloom.stages._lab import Lab
from archloom.train import predict
from archloom.trial import Trial


@dataclass(frozen=True)
class Test:
    """Evaluate each finalist once on the test split and record metrics and what they rest on.

    That is the confusion matrix of classes, counts of each label, and predicted and true numbers
    of up to 1,000 samples; and the metrics of each label or column.

    Finalists are the retrained trials, and the best of the search where none of those beats it on
    validation data. The record shows each access before it happens.
    """

    name: str = "test"
    __test__ = False  # for pytest: no test class

    def check(self, lab: Lab) -> None:
        """Nothing can be wrong before the search."""

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        return {"name": self.name, "kind": "Test"}

    def run(self, lab: Lab) -> None:
        """Evaluate the finalists that have no test result yet."""
        if not lab.task.has_test:
            lab.end(self.name, "the data have no test split")
            return
        done = {noted.data["trial"] for noted in lab.study.notes("test")}
        usable = [t for t in finalists(lab) if has_weights(lab, t)]
        for trial in usable:
            if trial.number not in done:
                lab.note("test", _result(lab, trial))
        reason = f"finalists tested: {len(usable)}" if usable else "no trained model to test"
        lab.end(self.name, reason)


def _result(lab: Lab, trial: Trial) -> dict[str, Any]:
    model = load_trial(lab.space, trial, lab.files(trial)).to(lab.device)
    split = lab.open_test(trial)
    outputs = predict(model, split.inputs, lab.task, device=lab.device)
    targets = split.targets.to(outputs.device if isinstance(outputs, torch.Tensor) else "cpu")
    result: dict[str, Any] = {
        "trial": trial.number,
        "size": len(split),
        "metrics": lab.task.score(outputs, targets),
    }
    return {**result, **evidence(lab.task.target, outputs, targets)}


def load_trial(space: ModelSpace, trial: Trial, files: Path) -> nn.Module:
    """Build a trial's model and load its trained weights, in eval mode, on the CPU.

    The model of a cross-validated trial is the mean of those of its folds, that of an ensemble
    the mean of its members.

    Raises:
        RunError: when the run kept no weights of the trial.
    """
    missing = [x.weights for x in find_leaves(trial.architecture, files) if not x.weights.is_file()]
    if missing:
        raise RunError(
            f"The run keeps the weights of its best trials only, and none of trial "
            f"{trial.number} ({str(missing[0])!r} is not there): choose a trial of the "
            f"leaderboard's top, or search with a larger `keep`."
        )
    return load_model(space, trial.architecture, files)
