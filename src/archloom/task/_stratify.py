"""Split and thin out samples so that every class keeps its share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from archloom.errors import DataError
from archloom.task._seeds import mix


def stratified_split(targets: Tensor, fractions: tuple[float, ...], seed: int) -> list[Tensor]:
    """Cut samples into parts: first the rest, then one part for each fraction.

    Each class gives each part its exact share, rounded so that the totals are right (largest
    remainders first). A class keeps at least one member in the first part, so a class with a
    single member is only there. Targets that are not class indices are cut at random.
    The indices of every part are sorted.

    Raises:
        DataError: when the fractions are not in (0, 1) or leave a part without samples.

    >>> rest, part = stratified_split(torch.tensor([0] * 8 + [1] * 4), (0.25,), seed=0)
    >>> len(rest), len(part)
    (9, 3)
    """
    check_fractions(fractions)
    groups = _groups(targets)
    rng = np.random.default_rng(mix(seed, 1))
    orders = [rng.permutation(group) for group in groups]
    used = np.zeros(len(groups), dtype=np.int64)
    parts: list[Tensor] = []
    for fraction in fractions:
        counts = _shares(np.array([len(group) for group in groups]), fraction, used)
        chosen = [o[u : u + c] for o, u, c in zip(orders, used, counts, strict=True)]
        parts.append(_sorted(chosen))
        used += counts
    rest = _sorted([order[u:] for order, u in zip(orders, used, strict=True)])
    for fraction, part in zip(fractions, parts, strict=True):
        if not len(part):
            raise DataError(
                f"A fraction of {fraction} of {len(targets)} samples leaves an empty part; "
                f"give more samples or a larger fraction."
            )
    return [rest, *parts]


def stratified_subset(targets: Tensor, fraction: float, seed: int) -> Tensor:
    """Give the sorted indices of a stratified part of the samples, fixed by the seed.

    Every class keeps at least one member. A fraction of 1 gives all.

    >>> stratified_subset(torch.tensor([0, 0, 0, 0, 1, 1]), 0.5, seed=0).shape
    torch.Size([3])
    """
    if fraction == 1.0:
        return torch.arange(len(targets))
    check_fractions((fraction,))
    groups = _groups(targets)
    rng = np.random.default_rng(mix(seed, 2))
    orders = [rng.permutation(group) for group in groups]
    sizes = np.array([len(group) for group in groups])
    counts = np.maximum(_shares(sizes, fraction, np.zeros_like(sizes)), 1)
    return _sorted([order[:count] for order, count in zip(orders, counts, strict=True)])


def check_fractions(fractions: tuple[float, ...]) -> None:
    for fraction in fractions:
        if not 0.0 < fraction < 1.0:
            raise DataError(f"A part of the samples is a fraction between 0 and 1, got {fraction}.")
    if sum(fractions) >= 1.0:
        raise DataError(
            f"Validation and test take {sum(fractions):g} of all samples and leave none to train "
            f"on; the fractions must sum to less than 1."
        )


def _groups(targets: Tensor) -> list[np.ndarray]:
    if targets.is_floating_point() or targets.ndim != 1:
        return [np.arange(len(targets))]
    labels = targets.cpu().numpy()
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return np.split(order, starts)


def _shares(sizes: np.ndarray, fraction: float, used: np.ndarray) -> np.ndarray:
    """Round `sizes * fraction` to whole numbers whose sum is right, leaving one of each class."""
    # 6000 * 0.1 is 600.0000000000001 in floating point, which is no remainder
    exact = np.round(sizes * fraction, 9)
    room = np.maximum(sizes - used - 1, 0)
    counts: np.ndarray = np.minimum(np.floor(exact).astype(np.int64), room)
    total = round(float(sizes.sum()) * fraction)
    for index in np.argsort(-(exact - np.floor(exact)), kind="stable"):
        if counts.sum() >= total:
            break
        if exact[index] > counts[index] and counts[index] < room[index]:
            counts[index] += 1
    return counts


def _sorted(parts: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.sort(np.concatenate(parts)).astype(np.int64))
