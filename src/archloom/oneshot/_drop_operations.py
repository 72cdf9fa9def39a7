"""SkipDropout: switch skip connections off at random, so that a supernet cannot lean on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError
from archloom.nn import Assignment, Gate, Weighted
from archloom.oneshot._idle import Idle
from archloom.space import Space


@dataclass(frozen=True)
class SkipDropout:
    """Drop the skip connections of weighted choices while the weights are trained.

    Progressive Differentiable Architecture Search (P-DARTS, arXiv 1904.12760), section 3.3: as
    long as they cannot be relied on, the other operations have to learn. The rate falls from
    `rate` to `last` along with the epochs: exponentially, as in the authors' code, or in a
    straight line where `last` is 0. Scores are taken without dropout.

    Deviation: the paper drops single numbers of a skip connection's output; here a choice's skip
    connection is kept or dropped as a whole for a step, its weight divided by the share of steps
    that keep it. The mean is the same, it costs nothing, and it works on fused supernets. A path
    with one option for each choice has nothing to drop.

    >>> dropout = SkipDropout(rate=0.4, last=0.1)
    >>> [round(dropout.at(share), 2) for share in (0.0, 0.5, 1.0)]
    [0.4, 0.2, 0.1]
    """

    rate: float = 0.3
    last: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rate", "last"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigError(f"{name} is a share from 0 to below 1, got {value!r}.")

    def at(self, share: float) -> float:
        """Give the rate when that share of the epochs is done, 0 at the start and 1 at the end."""
        if self.last == 0 or self.rate == 0:
            return self.rate + (self.last - self.rate) * share
        return float(self.rate * (self.last / self.rate) ** share)

    def applied(
        self,
        assignment: Assignment,
        space: Space,
        idle: Idle,
        share: float,
        rng: np.random.Generator,
    ) -> Assignment:
        """Give the assignment with some of its skip connections weighted by 0, others more.

        `idle` is what `idle_options` found in the space; "none" is never dropped.
        """
        rate = self.at(share)
        if rate == 0:
            return assignment
        changed: dict[str, Gate] = {}
        for label in sorted(idle):
            gate = assignment.get(label)
            names = _names(gate, space, label)
            skips = [name for name in names if idle[label].get(str(name)) == "skip"]
            if not skips or len(names) < 2 or gate is None:
                continue
            kept = 0.0 if rng.random() < rate else 1 / (1 - rate)
            factors = torch.tensor([kept if name in skips else 1.0 for name in names])
            changed[label] = _scaled(gate, factors)
        return {**assignment, **changed} if changed else assignment


def _names(gate: Gate | None, space: Space, label: str) -> tuple[object, ...]:
    if isinstance(gate, Weighted):
        return gate.options
    if isinstance(gate, Tensor):
        return tuple(space.labels[label].domain.values())
    return ()


def _scaled(gate: Gate, factors: Tensor) -> Gate:
    if isinstance(gate, Weighted):
        return Weighted(gate.options, gate.weights * factors.to(gate.weights))
    assert isinstance(gate, Tensor)  # a single option is not scaled
    return gate * factors.to(gate)
