"""Which cheap scores to trust: their rank correlation with what training gave, and what follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from archloom.oneshot import Ranking, rank_correlation

BASELINES: Final = ("params", "flops")
"""What every other score must beat."""
CHANCE: Final = 0.2
"""A score is dropped when a random order does as well with this probability."""


@dataclass(frozen=True)
class Trust:
    """The verdict on a score.

    `spearman` and `kendall` compare it with the gains of the trained architectures; `chance` is how
    often a random order does as well. `weight` is 0 for a score that was dropped, and the weights
    of the others sum to 1; `reason` says why. The first three numbers are None where nothing was
    checked.
    """

    score: str
    spearman: float | None
    kendall: float | None
    chance: float | None
    weight: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Give the verdict as JSON can hold it."""
        return asdict(self)


def weigh(scores: Mapping[str, Sequence[float]], gains: Sequence[float]) -> list[Trust]:
    """Judge scores by architectures whose gain is known; the parameters and FLOPs among them.

    A score is kept when its rank correlation is above 0, a random order does as well in less than
    one of five cases, and neither parameters nor FLOPs rank better. Its weight is its share of the
    sum of those correlations.

    >>> found = weigh({"a": [1, 2, 3, 4, 5], "params": [2, 1, 4, 3, 5]}, [1, 2, 3, 4, 5])
    >>> [(trust.score, trust.spearman, round(trust.weight, 3)) for trust in found]
    [('a', 1.0, 0.556), ('params', 0.8, 0.444)]
    """
    found = {name: rank_correlation(values, gains) for name, values in scores.items()}
    bar = max((found[name].spearman for name in BASELINES if name in found), default=0.0)
    faults = {name: _fault(name, ranking, bar) for name, ranking in found.items()}
    total = math.fsum(found[name].spearman for name, fault in faults.items() if fault is None)
    return [
        Trust(
            name,
            ranking.spearman,
            ranking.kendall,
            ranking.p,
            0.0 if faults[name] is not None else ranking.spearman / total,
            faults[name] or "kept",
        )
        for name, ranking in found.items()
    ]


def _fault(name: str, ranking: Ranking, bar: float) -> str | None:
    if ranking.spearman <= 0:
        return "does not rank as training does"
    if ranking.p >= CHANCE:
        return f"chance does as well in {ranking.p:.0%} of cases"
    if name not in BASELINES and ranking.spearman < bar:
        return "parameters or FLOPs rank better"
    return None


def alike(names: Sequence[str]) -> list[Trust]:
    """Trust all scores alike, unchecked."""
    share = 1.0 / len(names)
    return [Trust(name, None, None, None, share, "not checked") for name in names]


def ranked(
    scores: Mapping[str, Sequence[float]], weights: Mapping[str, float]
) -> NDArray[np.float64]:
    """Give each architecture the weighted mean of its ranks, as shares from 0 to 1, best highest.

    >>> ranked({"a": [1.0, 5.0, 3.0], "b": [2.0, 2.0, 9.0]}, {"a": 1.0}).tolist()
    [0.0, 1.0, 0.5]
    """
    count = len(next(iter(scores.values())))
    total = np.zeros(count)
    for name, weight in weights.items():
        if weight:
            total += weight * _shares(scores[name])
    return total


def _shares(values: Sequence[float]) -> NDArray[np.float64]:
    """Give ranks from 0 to 1; equal values share the mean of theirs."""
    _, place, count = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    mean_ranks = np.cumsum(count) - (count + 1) / 2
    return np.asarray(mean_ranks[place] / max(len(values) - 1, 1), dtype=np.float64)


def panel(order: NDArray[np.float64], count: int, rng: np.random.Generator) -> list[int]:
    """Choose `count` architectures spread over a ranking, best first.

    The best one, and one at random from each of `count` - 1 equal parts of the others: those from
    the top alone would not show whether a score tells good from bad.

    >>> panel(np.arange(9.0), 3, np.random.default_rng(0))[0]
    8
    """
    places = np.argsort(-order, kind="stable")
    if count >= len(places):
        return [int(place) for place in places]
    parts = np.array_split(places[1:], count - 1)
    return [int(places[0]), *(int(rng.choice(part)) for part in parts)]
