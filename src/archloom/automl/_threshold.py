"""The probability above which a binary classifier, or each label, says yes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archloom.automl._outputs import as_learnt, outputs_of
from archloom.automl._run import winner
from archloom.ensemble import Saved, combine_outputs, fit_threshold, read_members, saved_outputs
from archloom.errors import ConfigError
from archloom.experiment import Experiment
from archloom.study import Study
from archloom.task import Task


def device_of(name: str) -> torch.device:
    """Give the device of that name; "auto" is a CUDA device where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def chosen_threshold(
    wanted: Any, model: torch.nn.Module, experiment: Experiment, study: Study
) -> float | None:
    """Give the threshold for yes-or-no questions, None for all others.

    "auto" and None are one half: what the ensemble stage tuned is in the model's outputs already.
    A metric's name tunes the threshold of a binary task on samples that the model did not train
    on: the validation split, or all samples where it was cross-validated.
    """
    task = experiment.task
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
    trial = winner(experiment, study)
    files = experiment.folder / "trials" / f"{trial.number:05d}" if trial is not None else None
    outputs, targets = (None if files is None else _held_out(files, task)) or _on_valid(model, task)
    return fit_threshold(target.finish(outputs)[:, 1], targets.cpu(), wanted)


def _held_out(files: Path, task: Task) -> tuple[Tensor, Tensor] | None:
    """Give the outputs of cross-validated models for the samples that they did not train on."""
    members = (read_members(files) or {}).get("members", [])
    folders = [(files, 1.0)]
    if members and all("folder" in member for member in members):
        folders = [(files / member["folder"], member["share"]) for member in members]
    saved = [saved_outputs(folder) for folder, _ in folders]
    found = [one for one in saved if one is not None and one.rows is not None]
    if len(found) < len(folders) or not _alike(found):
        return None
    shares = [share for _, share in folders]
    rows = found[0].rows
    assert rows is not None
    outputs = combine_outputs([one.outputs for one in found], shares, task.target)
    return outputs, task.pooled().targets.cpu()[rows]


def _alike(saved: list[Saved]) -> bool:
    return all(torch.equal(one.rows, saved[0].rows) for one in saved)  # type: ignore[arg-type]


def _on_valid(model: torch.nn.Module, task: Task) -> tuple[Tensor, Tensor]:
    outputs = outputs_of(model, task.valid.inputs, task.device)
    return as_learnt(outputs, task.target), task.valid.targets
