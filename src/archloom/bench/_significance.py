"""Tests of significance between strategies: Wilcoxon with Holm, Friedman with Nemenyi."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """Two strategies on the same seeds.

    `difference` is the mean gain of the first over the second, `wins` and `losses` count seeds;
    `p` is of the two-sided Wilcoxon signed-rank test, `p_holm` corrected for all pairs.
    """

    first: str
    second: str
    difference: float
    wins: int
    losses: int
    p: float
    p_holm: float


@dataclass(frozen=True)
class Ranking:
    """Mean ranks over the seeds (1 is best, ties share), and the Friedman test of them.

    Two strategies whose mean ranks differ by more than `critical` differ at 5 % (Nemenyi). Demsar,
    "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 2006).
    """

    ranks: Mapping[str, float]
    p: float
    critical: float


def compare_pairs(gains: Mapping[str, NDArray[np.float64]]) -> tuple[Pair, ...]:
    """Compare every two strategies by their results, one a seed, larger being better.

    >>> fast, slow = np.arange(8) + 1.0, np.arange(8) / 2
    >>> pair, = compare_pairs({"fast": fast, "slow": slow})
    >>> pair.wins, pair.losses, round(pair.p, 4)
    (8, 0, 0.0078)
    """
    found = []
    for first, second in itertools.combinations(gains, 2):
        apart = _apart(gains[first], gains[second])
        wins, losses = int((apart > 0).sum()), int((apart < 0).sum())
        mean = float(apart.mean()) if len(apart) else math.nan
        found.append(Pair(first, second, mean, wins, losses, _wilcoxon(apart), math.nan))
    corrected = _holm([pair.p for pair in found])
    return tuple(
        Pair(p.first, p.second, p.difference, p.wins, p.losses, p.p, holm)
        for p, holm in zip(found, corrected, strict=True)
    )


def rank(gains: Mapping[str, NDArray[np.float64]]) -> Ranking:
    """Rank the strategies on every seed, and test whether they differ at all.

    >>> ranking = rank({"a": np.arange(6) + 1.0, "b": np.arange(6) * 1.0, "c": np.arange(6) - 1.0})
    >>> dict(ranking.ranks), round(ranking.p, 4)
    ({'a': 1.0, 'b': 2.0, 'c': 3.0}, 0.0025)
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    names = list(gains)
    table = np.column_stack([gains[name] for name in names])
    table = np.where(np.isnan(table), -np.inf, table)
    ranks = rankdata(-table, axis=1)
    mean = {name: float(value) for name, value in zip(names, ranks.mean(axis=0), strict=True)}
    seeds, count = table.shape
    if count < 2 or seeds < 2:
        return Ranking(mean, math.nan, math.nan)
    level = float(studentized_range.ppf(0.95, count, np.inf)) / math.sqrt(2)
    critical = level * math.sqrt(count * (count + 1) / (6 * seeds))
    if count < 3:  # Friedman's test is for three and more: two have the test of pairs
        return Ranking(mean, math.nan, critical)
    alike = bool((ranks == ranks[:, :1]).all())
    p = 1.0 if alike else float(friedmanchisquare(*ranks.T).pvalue)
    return Ranking(mean, p, critical)


def _apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = first - second
    return apart[~np.isnan(apart)]


def _wilcoxon(apart: NDArray[np.float64]) -> float:
    """Give the p-value; seeds without a difference count half each way."""
    from scipy.stats import wilcoxon

    if len(apart) == 0 or not apart.any():
        return 1.0
    # The exact distribution knows no ties; without them and with few seeds it is the right one.
    sizes = np.abs(apart)
    plain = len(np.unique(sizes)) == len(sizes) and len(sizes) <= 50 and bool(sizes.all())
    method = "exact" if plain else "approx"
    return float(wilcoxon(apart, zero_method="zsplit", method=method).pvalue)


def _holm(values: list[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979)."""
    order = np.argsort(values)
    corrected, highest = [0.0] * len(values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, values[index] * (len(values) - place)))
        corrected[index] = highest
    return corrected
