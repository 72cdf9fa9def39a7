"""The winner's model, as files in the run folder, and what makes a model take raw inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archloom.export import normalised
from archloom.stages import Lab, finalists, has_weights, load_trial
from archloom.task import Normalisation, Task


def save_best(lab: Lab) -> None:
    """Put the winner's model, weights and architecture into `folder/best`.

    `model.pt` takes raw inputs; `weights.pt` is the state of what `build(architecture)` gives.
    """
    ranked = [t for t in finalists(lab) if has_weights(lab, t)]
    if not ranked:
        return
    winner = ranked[0]
    last = lab.study.note("best")
    folder = lab.folder / "best"
    if last is not None and last["trial"] == winner.number and (folder / "model.pt").is_file():
        return
    folder.mkdir(exist_ok=True)
    model = load_trial(lab.space, winner, lab.files(winner))
    _write(folder / "architecture.json", lambda p: p.write_text(_pretty(winner.architecture)))
    _write(folder / "weights.pt", lambda p: torch.save(model.state_dict(), p))
    _write(folder / "model.pt", lambda p: torch.save(for_raw_inputs(model, lab.task), p))
    lab.note("best", {"trial": winner.number, "folder": "best"})


def for_raw_inputs(model: nn.Module, task: Task) -> nn.Module:
    """Put the task's normalisation in front of the model; several inputs are left as they are."""
    if not isinstance(task.normalisation, Normalisation):
        return model
    mean, std = task.normalisation
    example = task.example(1)
    assert isinstance(example, torch.Tensor)
    return normalised(model, mean, std, dims=example.ndim)


def _pretty(architecture: Mapping[str, Any]) -> str:
    return json.dumps(dict(architecture), indent=2) + "\n"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then move: a reader never sees half a file."""
    beside = path.with_name(path.name + ".part")
    write(beside)
    os.replace(beside, path)
