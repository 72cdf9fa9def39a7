"""Points that no other beats in everything: dominance, fronts, crowding and hypervolume.

A point is a row of gains: numbers of which larger is better, as `Objective.gain` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archloom.errors import ConfigError

Numbers = NDArray[np.float64]


def non_dominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Say of each point whether no other is nowhere worse and somewhere better.

    Equal points do not dominate each other; a NaN is worse than any number. Shape [n, d] in,
    [n] out.

    >>> non_dominated([[0.9, -7], [0.9, -5], [0.8, -6]]).tolist()
    [False, True, False]
    """
    gains = _gains(points)
    order = np.lexsort(-gains.T[::-1])  # from the best on: only what came before can dominate
    front: list[int] = []
    for place in order:
        ahead = gains[front]
        beaten = (ahead >= gains[place]).all(1) & (ahead > gains[place]).any(1)
        if not beaten.any():
            front.append(int(place))
    mask = np.zeros(len(gains), dtype=np.bool_)
    mask[front] = True
    return mask


def ranks(points: ArrayLike, violations: Sequence[float] | None = None) -> NDArray[np.int64]:
    """Give the front that each point stands in: 0 for what nothing dominates, 1 without those, ...

    Fast non-dominated sorting of Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist
    multiobjective genetic algorithm: NSGA-II" (IEEE Trans. Evolutionary Computation 6, 2002),
    section III-A. With `violations`, 0 for a point that keeps all constraints, it sorts by
    constrained domination (section VI): one that keeps them beats one that breaks some, and of
    two that break some the smaller violation wins.

    >>> ranks([[2, 2], [1, 1], [3, 0]]).tolist()
    [0, 1, 0]
    >>> ranks([[2, 2], [1, 1], [3, 0]], violations=[5.0, 0.0, 0.1]).tolist()
    [2, 0, 1]
    """
    gains = _gains(points)
    broken = np.zeros(len(gains)) if violations is None else np.asarray(violations, float)
    least = (gains[:, None] >= gains[None]).all(2) & (gains[:, None] > gains[None]).any(2)
    kept = broken == 0
    beats = np.where(kept[:, None] & kept[None], least, broken[:, None] < broken[None])
    above = beats.sum(0)
    found = np.full(len(gains), -1, dtype=np.int64)
    rank = 0
    while (found < 0).any():
        front = (found < 0) & (above == 0)
        found[front] = rank
        above = above - beats[front].sum(0)
        rank += 1
    return found


def crowding(points: ArrayLike) -> Numbers:
    """Give how far apart the neighbours of each point of one front are; infinity at the ends.

    The crowding distance of NSGA-II (Deb et al. 2002, section III-B): for each objective the gap
    between the next better and the next worse point, as a share of the whole range, summed. What
    all points share, or what is not finite, adds nothing.

    >>> crowding([[0, 10], [4, 8], [10, 0]]).tolist()
    [inf, 2.0, inf]
    """
    gains = _gains(points)
    distance = np.zeros(len(gains))
    for column in gains.T:
        order = np.argsort(column, kind="stable")
        rising = column[order]
        if not np.isfinite(rising).all() or rising[0] == rising[-1]:
            continue
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += (rising[2:] - rising[:-2]) / (rising[-1] - rising[0])
    return distance


def hypervolume(points: ArrayLike, reference: Sequence[float]) -> float:
    """Give the volume that lies between the reference and at least one of the points: exactly.

    A point counts where it is better than the reference in every objective. For two objectives
    it is one sweep; from three on the WFG algorithm of While, Bradstreet and Barone, "A Fast Way of
    Calculating Exact Hypervolumes" (IEEE Trans. Evolutionary Computation 16, 2012), which slices
    the last objective off. Fit for fronts of some hundred points in two to five objectives.

    Raises:
        ConfigError: when reference and points do not have equally many numbers, or the reference
            is not finite.

    >>> hypervolume([[1, 3], [2, 2], [3, 1], [1, 1]], [0, 0])
    6.0
    >>> hypervolume([[1, 1, 3], [1, 2, 1], [2, 1, 1]], [0, 0, 0])
    5.0
    """
    gains, origin = _gains(points), np.asarray(reference, float)
    if not np.isfinite(origin).all() or origin.ndim != 1:
        raise ConfigError(f"A reference is a finite number an objective, got {reference!r}.")
    if len(gains) and gains.shape[1] != len(origin):
        raise ConfigError(
            f"A reference needs one number for each objective, got {len(origin)} for points of "
            f"{gains.shape[1]}."
        )
    if not len(gains):
        return 0.0
    inside = gains[(gains > origin).all(1)] - origin
    return float(_volume(inside[non_dominated(inside)])) if len(inside) else 0.0


def _volume(points: Numbers) -> float:
    """Give the volume between 0 and points of which none dominates another."""
    if len(points) == 1:
        return float(points[0].prod())
    if points.shape[1] == 1:
        return float(points.max())
    if points.shape[1] == 2:
        return _area(points)
    rising = points[np.argsort(points[:, -1], kind="stable")]
    return sum(
        float(rising[place, -1]) * _alone(rising[place, :-1], rising[place + 1 :, :-1])
        for place in range(len(rising))
    )


def _alone(point: Numbers, others: Numbers) -> float:
    """Give the volume that a point has and the others do not.

    All of the others reach as far in the objective that was sliced off, or farther.
    """
    whole = float(point.prod())
    if not len(others):
        return whole
    shared = np.minimum(others, point)
    return whole - _volume(np.unique(shared[non_dominated(shared)], axis=0))


def _area(points: Numbers) -> float:
    falling = points[np.lexsort((-points[:, 1], -points[:, 0]))]
    total = height = 0.0
    for width, level in falling.tolist():
        if level > height:
            total += width * (level - height)
            height = level
    return total


def _gains(points: ArrayLike) -> Numbers:
    gains = np.asarray(points, dtype=np.float64)
    if gains.size == 0:
        return gains.reshape(0, gains.shape[1] if gains.ndim == 2 else 0)
    if gains.ndim != 2:
        raise ConfigError(
            f"Points are rows of numbers, one column an objective, got shape {gains.shape}."
        )
    return np.where(np.isnan(gains), -np.inf, gains)
