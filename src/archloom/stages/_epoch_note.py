"""What is noted of an epoch of a supernet's training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from archloom.architecture import Architecture
from archloom.oneshot import Bilevel, Verdict, idle_options, idle_share
from archloom.space import SomeOf, Space

_DIGITS = 6


def epoch_note(
    stage: str,
    loop: Bilevel,
    derived: Architecture | None,
    *,
    scores: Mapping[str, float],
    seconds: float,
    figures: Mapping[str, float],
    verdicts: Sequence[Verdict],
) -> dict[str, Any]:
    """Give an epoch's losses, the supernet's scores and the probabilities, as JSON can hold them.

    `alphas` holds the probability of each option for each label, `entropy` their mean entropy as
    a share of the largest, `skips` the share of idle operations in what is derived, `figures` and
    `verdicts` what the guards gave.
    """
    with torch.no_grad():
        found = {label: p.detach().cpu() for label, p in loop.gates.probabilities().items()}
    assert loop.losses is not None  # an epoch was trained
    space = loop.supernet.space.space
    idle = idle_options(space, loop.supernet)
    return {
        "stage": stage,
        "epoch": loop.done,
        "train_loss": loop.losses.train,
        "arch_loss": loop.losses.arch,
        "scores": {name: value for name, value in scores.items() if math.isfinite(value)},
        "derived": None if derived is None else derived.to_json(),
        "skips": None if derived is None else idle_share(derived, idle),
        "entropy": entropy(space, found),
        "alphas": {label: [round(float(x), _DIGITS) for x in p] for label, p in found.items()},
        "figures": dict(figures),
        "verdicts": [verdict.to_json() for verdict in verdicts],
        "lr": loop.optimizer.param_groups[0]["lr"],
        "seconds": round(seconds, 3),
        **({} if loop.micro_batch is None else {"micro_batch": loop.micro_batch}),
    }


def entropy(space: Space, probabilities: Mapping[str, Tensor]) -> float:
    """Give how undecided a method is: 1 where all options are alike, 0 where each is certain.

    The mean over all labels, each as a share of its largest entropy; the inputs of a subset are
    decisions of their own.

    >>> from archloom.space import Choice, OneOf, Option
    >>> op = Choice("op", "layer", OneOf((Option("conv"), Option("skip"))))
    >>> entropy(Space((op,)), {"op": torch.tensor([0.5, 0.5])})
    1.0
    """
    shares = []
    for label, chances in probabilities.items():
        p = chances.double().clamp(0.0, 1.0)
        if isinstance(space.labels[label].domain, SomeOf):
            both = torch.stack([p, 1 - p])
            shares.append(float(torch.special.entr(both).sum(0).mean()) / math.log(2))
        else:
            shares.append(float(torch.special.entr(p).sum()) / math.log(max(len(p), 2)))
    return round(sum(shares) / len(shares), _DIGITS) if shares else 0.0
