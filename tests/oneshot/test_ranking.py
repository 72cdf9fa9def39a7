"""Rank correlations and their p-values agree with scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from archloom.errors import ConfigError
from archloom.oneshot import rank_correlation


@pytest.mark.parametrize("number", [3, 5, 8, 60])
@pytest.mark.parametrize("digits", [0, 6])  # with many ties, and without
def test_correlations_are_those_of_scipy(number: int, digits: int) -> None:
    rng = np.random.default_rng([number, digits])
    x = rng.normal(size=number).round(digits)
    y = (x + rng.normal(size=number)).round(digits)
    found = rank_correlation(list(x), list(y))
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    assert found.kendall == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-9)
    assert found.number == number


def test_the_p_value_of_few_pairs_is_exact() -> None:
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]
    test = stats.permutation_test(
        (y,),
        lambda order: stats.spearmanr(x, order).statistic,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
        vectorized=False,
    )
    assert rank_correlation(x, y).p == pytest.approx(test.pvalue, abs=1e-12)


def test_the_p_value_of_many_pairs_is_near_that_of_the_t_distribution() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=80)
    y = 0.2 * x + rng.normal(size=80)
    expected = stats.spearmanr(x, y, alternative="greater").pvalue
    assert rank_correlation(list(x), list(y)).p == pytest.approx(expected, abs=0.02)


def test_what_is_all_alike_ranks_nothing() -> None:
    found = rank_correlation([0.1] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.spearman, found.kendall, found.p, found.number) == (0.0, 0.0, 1.0, 5)
    assert rank_correlation([], []).p == 1.0


def test_pairs_with_a_number_missing_are_left_out() -> None:
    found = rank_correlation([1.0, math.nan, 2.0, 3.0], [1.0, 9.0, 2.0, math.inf])
    assert (found.number, found.spearman) == (2, 1.0)
    with pytest.raises(ConfigError, match="pair by pair, got 2 of one and 1"):
        rank_correlation([1.0, 2.0], [1.0])
