"""Cut samples so that groups stay together, or so that the future is held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import DataError
from archloom.task._seeds import mix
from archloom.task._stratify import check_fractions


def grouped_split(
    strata: Tensor, groups: Any, fractions: tuple[float, ...], seed: int, *, classes: bool = True
) -> list[Tensor]:
    """Cut samples into the rest and one part for each fraction, no group on two sides.

    Shares of the strata are kept as well as whole groups allow, the largest groups placed first.
    A group that holds all members of a stratum stays in the rest where the strata are `classes`.
    The indices of every part are sorted.

    Raises:
        DataError: when there are fewer groups than parts.

    >>> rest, part = grouped_split(torch.tensor([0, 1] * 4), [1, 1, 2, 2, 3, 3, 4, 4], (0.25,), 0)
    >>> len(rest), len(part)
    (6, 2)
    """
    check_fractions(fractions)
    numbers = group_numbers(groups, len(strata))
    shares = [1.0 - sum(fractions), *fractions]
    found = grouped_parts(strata.cpu().numpy(), numbers, shares, seed, classes=classes, rest=True)
    return [torch.from_numpy(np.flatnonzero(found == part)) for part in range(len(shares))]


def grouped_parts(
    strata: np.ndarray,
    groups: np.ndarray,
    shares: list[float],
    seed: int,
    *,
    classes: bool,
    rest: bool = False,
) -> np.ndarray:
    """Give the part of each sample, so that whole groups share it; -1 where none may hold it.

    With `rest`, the first part takes the groups that hold all members of a class.
    """
    _, strata = np.unique(strata, return_inverse=True)
    count = int(groups.max()) + 1
    table = np.zeros((count, int(strata.max()) + 1))
    np.add.at(table, (groups, strata), 1)
    fixed = ((table > 0) & ((table > 0).sum(0) == 1)).any(1) if classes else np.zeros(count, bool)
    free = np.flatnonzero(~fixed)
    needed = len(shares) - (1 if rest and fixed.any() else 0)
    if len(free) < needed:
        raise DataError(_too_few(count, int(fixed.sum()), len(shares)))
    part = np.full(count, 0 if rest else -1)
    _place(part, table, free, np.array(shares), seed, first=0 if rest else -1)
    found: np.ndarray = part[groups].astype(np.int64)
    return found


def _place(
    part: np.ndarray, table: np.ndarray, free: np.ndarray, shares: np.ndarray, seed: int, first: int
) -> None:
    """Put each free group where the strata that it holds lack most, largest groups first."""
    rng = np.random.default_rng(mix(seed, 7))
    order = rng.permutation(free)
    order = order[np.argsort(-table[order].sum(1), kind="stable")]
    fixed = np.setdiff1d(np.arange(len(table)), free)
    whole = table.sum(0) if first == 0 else table[free].sum(0)
    wanted = np.outer(shares, whole)
    if first == 0:
        wanted[0] -= table[fixed].sum(0)
    weight = 1.0 / np.maximum(whole, 1.0)
    empty = set(range(len(shares))) - ({0} if first == 0 and len(fixed) else set())
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        row = table[group]
        # how much nearer to what is wanted each part comes: the drop of the squared distance,
        # relative to the size of the part, so that a small part does not always lose
        gain = ((2 * wanted - row) * row * weight).sum(1) / shares
        if left <= len(empty):
            gain[[place for place in range(len(shares)) if place not in empty]] = -np.inf
        chosen = int(np.argmax(gain))
        part[group] = chosen
        wanted[chosen] -= row
        empty.discard(chosen)


def time_split(times: Any, fractions: tuple[float, ...], count: int | None = None) -> list[Tensor]:
    """Cut samples by time: the rest is the earliest, then one part after the other.

    `fractions` are in the order of time: validation first, then test. Samples of one time stay on
    one side, so fractions are met as nearly as that allows. Indices of every part are sorted.

    Raises:
        DataError: for missing times, or fewer different ones than parts.

    >>> [part.tolist() for part in time_split([3, 1, 2, 4], (0.25, 0.25))]
    [[1, 2], [0], [3]]
    """
    check_fractions(fractions)
    steps, place = np.unique(_times(times, count), return_inverse=True)
    if len(steps) < len(fractions) + 1:
        raise DataError(
            f"A split by time into {len(fractions) + 1} parts needs as many different times, got "
            f"{len(steps)}."
        )
    before = np.cumsum(np.bincount(place))
    cuts: list[int] = []
    for number in range(len(fractions)):
        wanted = len(place) * (1.0 - sum(fractions[number:]))
        low = cuts[-1] + 1 if cuts else 0
        high = len(steps) - 1 - (len(fractions) - number)
        cuts.append(low + int(np.abs(before[low : high + 1] - wanted).argmin()))
    part = np.searchsorted(np.array(cuts), place, side="left")
    return [torch.from_numpy(np.flatnonzero(part == number)) for number in range(len(cuts) + 1)]


def group_numbers(groups: Any, count: int) -> np.ndarray:
    """Give whole numbers from 0 for groups that are named by numbers, text or other values.

    Raises:
        DataError: unless there is one group, and none is missing, for each of `count` samples.

    >>> group_numbers(["anna", "ben", "anna"], 3)
    array([0, 1, 0])
    """
    column = _column(groups, "group", count)
    if column.dtype.kind == "O":
        column = np.array([f"{type(value).__name__} {value!r}" for value in column])
    return np.unique(column, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _times(times: Any, count: int | None) -> np.ndarray:
    column = _column(times, "time", count)
    if column.dtype.kind in "OU":
        try:
            column = column.astype("datetime64[ns]")
        except (TypeError, ValueError) as error:
            raise DataError(
                f"Times are numbers, dates or text such as 2024-05-31, got {str(column[0])!r}."
            ) from error
        _none_missing(np.isnat(column), "time")
    return column


def _column(raw: Any, what: str, count: int | None = None) -> np.ndarray:
    column = np.asarray(raw.detach().cpu() if isinstance(raw, Tensor) else raw)
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1 or (count is not None and len(column) != count):
        wanted = "one value a sample" if count is None else f"{count} values, one a sample"
        raise DataError(f"A split by {what} needs {wanted}, got shape {column.shape}.")
    if column.dtype.kind == "f":
        _none_missing(np.isnan(column), what)
    elif column.dtype.kind == "M":
        _none_missing(np.isnat(column), what)
    elif column.dtype.kind == "O":
        missing = [value is None or value != value for value in column]
        _none_missing(np.array(missing, dtype=bool), what)
    return column


def _none_missing(missing: np.ndarray, what: str) -> None:
    bad = np.flatnonzero(missing)
    if len(bad):
        raise DataError(
            f"Every sample needs a {what}, none is given at index {bad[0]} ({len(bad)} such)."
        )


def _too_few(count: int, fixed: int, parts: int) -> str:
    held = f", {fixed} of which hold all samples of a class and must be trained on" if fixed else ""
    return (
        f"{parts} parts need at least as many groups, got {count}{held}. Give fewer parts, or "
        f"finer groups."
    )
