"""The file that says of which models a trial's model is made, and the model itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archloom.architecture import Architecture
from archloom.ensemble._combine import combined_model
from archloom.ensemble._parts import Part, parts_of
from archloom.ensemble._views import PLAIN
from archloom.nn import ModelSpace
from archloom.task import Inputs
from archloom.train import write_atomically

MEMBERS = "members.json"
WEIGHTS = "weights.pt"


@dataclass(frozen=True)
class Leaf:
    """A single network of a model: its architecture, where its weights lie, its share."""

    architecture: Mapping[str, Any]
    weights: Path
    share: float = 1.0


def write_members(
    files: Path,
    members: Sequence[Mapping[str, Any]],
    parts: Sequence[Part],
    inputs: Inputs,
    **settings: Any,
) -> None:
    """Say in the folder `files` that its model is the weighted mean of these members.

    Each has a `share`, and either `weights`, a file, for a network of the trial's own
    architecture, or a `folder` with the `architecture` of what lies there; paths are relative to
    `files`. The `settings` are those of `combined_model`, and what else is worth knowing.
    """
    content = {
        "members": [dict(member) for member in members],
        "parts": [list(part) for part in parts],
        "inputs": inputs_of(inputs),
        **settings,
    }
    write_atomically(files / MEMBERS, (json.dumps(content, indent=2) + "\n").encode())


def read_members(files: Path) -> dict[str, Any] | None:
    """Give what `write_members` wrote, None where the folder holds no such file."""
    path = files / MEMBERS
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def inputs_of(inputs: Inputs) -> int | list[str]:
    """Say how a model of these inputs is called: with how many tensors, or by which names."""
    if isinstance(inputs, dict):
        return list(inputs)
    return len(inputs) if isinstance(inputs, tuple) else 1


def find_leaves(architecture: Mapping[str, Any], files: Path) -> list[Leaf]:
    """Give the networks of the model in a trial's folder; members may be ensembles themselves."""
    content = read_members(files)
    if content is None:
        return [Leaf(architecture, files / WEIGHTS)]
    found: list[Leaf] = []
    for member in content["members"]:
        if "folder" in member:
            inner = find_leaves(member["architecture"], files / member["folder"])
        else:
            inner = [Leaf(architecture, files / member["weights"])]
        found += [replace(leaf, share=leaf.share * member["share"]) for leaf in inner]
    return found


def has_model(architecture: Mapping[str, Any], files: Path) -> bool:
    """Whether the weights of every network of the trial's model are there."""
    return all(leaf.weights.is_file() for leaf in find_leaves(architecture, files))


def load_model(space: ModelSpace, architecture: Mapping[str, Any], files: Path) -> nn.Module:
    """Build a trial's model with its trained weights, in eval mode, on the CPU.

    Several networks become one module, as `combined_model` makes it.
    """
    leaves = find_leaves(architecture, files)
    models = [load_leaf(space, leaf) for leaf in leaves]
    content = read_members(files)
    if content is None:
        return models[0]
    names = content["inputs"]
    return combined_model(
        models,
        [leaf.share for leaf in leaves],
        parts_of(content["parts"]),
        views=content.get("views") or (PLAIN,),
        temperature=content.get("temperature", 1.0),
        bias=content.get("bias"),
        inputs=names,
    )


def load_leaf(space: ModelSpace, leaf: Leaf) -> nn.Module:
    model = space.build(Architecture(leaf.architecture))
    model.load_state_dict(torch.load(leaf.weights, map_location="cpu", weights_only=True))
    return model.eval()
