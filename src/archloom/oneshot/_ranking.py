"""Rank correlation with a test: does one score put architectures in the order of another?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archloom.errors import ConfigError

_EXACT: Final = 7  # 7! = 5,040 orders can all be tried
_DRAWS: Final = 9_999
_SLACK: Final = 1e-9  # of sums of ranks, which are multiples of a quarter


@dataclass(frozen=True)
class Ranking:
    """How well a score ranks: agreement of two orders, from -1 to 1, and what chance would do.

    Attributes:
        spearman: correlation of the ranks, ties sharing their mean rank.
        kendall: tau-b, the surplus of pairs in the same order, corrected for ties.
        p: how often a random order agrees at least as well (Spearman, one-sided).
        number: of pairs of scores.
    """

    spearman: float
    kendall: float
    p: float
    number: int


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> Ranking:
    """Compare two scores of the same architectures; pairs with a number that is not finite go.

    The p-value is exact up to 7 pairs, beyond from 9,999 random orders of a fixed seed. A score
    that is the same for all ranks nothing: its correlation is 0 and its p-value 1.

    Raises:
        ConfigError: for scores of different lengths.

    >>> rank_correlation([1, 2, 3, 4], [0.1, 0.3, 0.2, 0.9])
    Ranking(spearman=0.8, kendall=0.6666666666666666, p=0.16666666666666666, number=4)
    """
    if len(first) != len(second):
        raise ConfigError(
            f"Scores are compared pair by pair, got {len(first)} of one and {len(second)} of the "
            f"other."
        )
    kept = [(a, b) for a, b in zip(first, second, strict=True) if math.isfinite(a + b)]
    x, y = (_ranks([pair[side] for pair in kept]) for side in (0, 1))
    if len(kept) < 2 or not x.any() or not y.any():
        return Ranking(0.0, 0.0, 1.0, len(kept))
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return Ranking(round(float(x @ y) / spread, 12), _tau_b(x, y), _chance(x, y), len(kept))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Give ranks about their mean; equal values share the mean of their ranks."""
    given = np.asarray(values, dtype=np.float64)
    _, place, count = np.unique(given, return_inverse=True, return_counts=True)
    upto = np.cumsum(count)
    mean_ranks = upto - (count - 1) / 2
    return np.asarray(mean_ranks[place] - (len(given) + 1) / 2, dtype=np.float64)


def _tau_b(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    upper = np.triu_indices(len(x), 1)
    dx = np.sign(x[:, None] - x)[upper]
    dy = np.sign(y[:, None] - y)[upper]
    return float((dx * dy).sum() / math.sqrt(float((dx**2).sum()) * float((dy**2).sum())))


def _chance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Give the share of orders of y whose sum of products with x is at least the one found."""
    found = float(x @ y) - _SLACK
    if len(x) <= _EXACT:
        orders = np.array(list(itertools.permutations(y)))
        return float(((orders @ x) >= found).mean())
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.tile(y, (_DRAWS, 1)), axis=1)
    return float((((drawn @ x) >= found).sum() + 1) / (_DRAWS + 1))
