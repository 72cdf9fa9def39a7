"""The winner's model, as files in the run folder, and what makes a model take raw inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archloom.ensemble import find_leaves, read_members
from archloom.export import normalised, self_contained
from archloom.stages import Lab, finalists, has_weights, load_trial
from archloom.task import Mixed, Normalisation, Numbers, Target, Task
from archloom.trial import Trial


def save_best(lab: Lab) -> None:
    """Put the winner's model, weights and architecture into `folder/best`.

    `model.pt` takes raw inputs and gives numbers in natural units; `weights.pt` is the state of
    what `build(architecture)` gives. Where more is done to what a network predicts,
    `members.json` says so; a model of several networks has no `weights.pt`.
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
    _save_members(lab, winner, folder)
    _write(folder / "model.pt", lambda p: torch.save(for_raw_inputs(model, lab.task), p))
    lab.note("best", {"trial": winner.number, "folder": "best"})


def for_raw_inputs(model: nn.Module, task: Task) -> nn.Module:
    """Put the task's normalisation in front of the model, and natural units behind it.

    Classes and labels stay logits; numbers, which the model gives standardised, are scaled back.
    The result needs nothing but torch.
    """
    scale = _natural_units(task.target) if task.outputs is not None else None
    if isinstance(task.normalisation, Normalisation) and scale is None:
        mean, std = task.normalisation
        return normalised(model, mean, std, dims=_dims(task.train.inputs))
    if task.normalisation is None and scale is None:
        return model
    return self_contained(model, task.train.inputs, task.normalisation, scale)


def _dims(inputs: Any) -> int:
    assert isinstance(inputs, torch.Tensor)
    return inputs.ndim


def _natural_units(target: Target) -> tuple[list[float], list[float]] | None:
    """Give factor and shift of each output column, None where nothing is to be scaled."""
    match target:
        case Numbers() if target.mean:
            return list(target.std), list(target.mean)
        case Mixed():
            factors, shifts = [], []
            for part in target.parts.values():
                one = _natural_units(part) or ([1.0] * part.outputs, [0.0] * part.outputs)
                factors += one[0]
                shifts += one[1]
            plain = all(f == 1.0 for f in factors) and not any(shifts)
            return None if plain else (factors, shifts)
    return None


def _save_members(lab: Lab, winner: Trial, folder: Path) -> None:
    """Write the weights of a single network, and what a model is made of if it is more."""
    files = lab.files(winner)
    networks, members = find_leaves(winner.architecture, files), read_members(files)
    for name in ("weights.pt", "members.json"):  # of an earlier winner
        (folder / name).unlink(missing_ok=True)
    if len(networks) == 1:
        _write(folder / "weights.pt", lambda p: p.write_bytes(networks[0].weights.read_bytes()))
    if members is not None:
        _write(folder / "members.json", lambda p: p.write_text(_pretty(_shown(winner, members))))


def _shown(winner: Trial, members: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a model is made of, without the paths of this run."""
    shown = [
        {
            "trial": member.get("trial", winner.number),
            "share": member["share"],
            "architecture": member.get("architecture", winner.architecture.to_json()),
        }
        for member in members["members"]
    ]
    return {**members, "members": shown}


def _pretty(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), indent=2) + "\n"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then move: a reader never sees half a file."""
    beside = path.with_name(path.name + ".part")
    write(beside)
    os.replace(beside, path)
