"""Begin a candidate's training with what its parent's left."""

from __future__ import annotations

import torch
from torch import nn

from archloom.estimators._base import Candidate
from archloom.nn import kin
from archloom.task import Inputs
from archloom.train import How, inherit, kept_random_state, load_tensors

_SAMPLES = 64


def from_parent(candidate: Candidate, model: nn.Module, how: How, weights: str) -> dict[str, float]:
    """Give the model its parent's weights, and say how much of it they were.

    Without a parent of another architecture, or where its weights are not there (it failed, say),
    the model stays as it is.
    """
    taken = {"inherited": 0.0} | ({"preserved": 0.0} if how == "net2net" else {})
    parent = candidate.parent
    if parent is None or parent.architecture == candidate.architecture:
        return taken
    state = load_tensors(parent.files / weights, candidate.device)
    if state is None:
        return taken
    with kept_random_state(candidate.device):
        old = candidate.space.build(parent.architecture, device=candidate.device)
        old.load_state_dict(state)
        found = inherit(
            model,
            old,
            kin(candidate.space, candidate.architecture, parent.architecture),
            how,
            inputs=_inputs(candidate),
            seed=candidate.seed,
        )
    taken["inherited"] = found.share
    if found.preserved is not None:
        taken["preserved"] = float(found.preserved)
    return taken


def _inputs(candidate: Candidate) -> Inputs:
    """Give the first training samples as a model gets them."""
    task = candidate.task
    first = torch.arange(min(_SAMPLES, len(task.train)))
    return task.prepare(task.train.take(first).to(candidate.device).inputs)
