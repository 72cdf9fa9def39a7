"""Check constraints on the cost of an architecture before anything is trained."""

from __future__ import annotations

import numpy as np

from archloom.architecture import Architecture
from archloom.errors import ConfigError, Infeasible, did_you_mean
from archloom.estimators import Cost
from archloom.objective import Constraint
from archloom.stages._lab import Lab

_KNOWN = ("params", "flops", "memory", "latency_ms", "latency_ms_p90")
_SAMPLES = 256


def cost_of(lab: Lab, architecture: Architecture) -> dict[str, float]:
    """Give the cost metrics that the constraints need; only latency needs real weights."""
    names = {constraint.metric for constraint in lab.constraints}
    cost = Cost.giving(names, flops=False)
    return dict(cost.of(lab.space, architecture, lab.task, lab.device))


def require_feasible(lab: Lab) -> None:
    """Raise unless some architecture keeps every constraint.

    Samples the space, then walks downhill from the sample that breaks the limits least: a cheap
    search for a member that fits, not a proof that none exists (where the space is small, it is).

    Raises:
        ConfigError: for a metric that is no cost, since only costs are known before training.
        Infeasible: naming the least that was found.
    """
    for constraint in lab.constraints:
        if not Cost.measures(constraint.metric):
            raise ConfigError(
                f"A constraint is checked before training, so its metric must be a cost, got "
                f"{str(constraint)!r}: {did_you_mean(constraint.metric, _KNOWN)}. "
                f"To prefer a trained metric, make it an objective."
            )
    if not lab.constraints:
        return
    rng = np.random.default_rng([lab.seed, 1])
    space = lab.space.space
    small = space.size <= _SAMPLES
    samples = space.enumerate() if small else (space.sample(rng) for _ in range(_SAMPLES))
    best, least = None, float("inf")
    for architecture in samples:
        excess = _excess(lab, architecture)
        if excess <= 0:
            return
        if excess < least:
            best, least = architecture, excess
    while best is not None and not small:
        near = [(_excess(lab, n), n) for n in space.neighbours(best)]
        lowest = min(near, key=lambda pair: pair[0], default=(least, best))
        if lowest[0] <= 0:
            return
        if lowest[0] >= least:
            break
        least, best = lowest
    assert best is not None  # a space has at least one point
    found = cost_of(lab, best)
    seen = ", ".join(f"{c.metric} {found[c.metric]:g}" for c in lab.constraints)
    raise Infeasible(
        f"No architecture was found that keeps {', '.join(map(str, lab.constraints))}: the "
        f"nearest has {seen} ({best!r}). Loosen the constraint or add smaller options."
    )


def _excess(lab: Lab, architecture: Architecture) -> float:
    """How far the worst constraint is broken, as a share of its limit; 0 where all hold."""
    cost = cost_of(lab, architecture)
    return max(_share(constraint, cost[constraint.metric]) for constraint in lab.constraints)


def _share(constraint: Constraint, value: float) -> float:
    if constraint.holds({constraint.metric: value}):
        return 0.0
    return abs(value - constraint.limit) / max(abs(constraint.limit), 1e-12) + 1e-12
