"""Tests of significance, against published numbers and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from archloom.bench import compare_pairs, rank


def test_wilcoxon_with_few_seeds_is_exact() -> None:
    """Of 2^5 sign patterns two have the extreme rank sums: p = 2 / 32."""
    (pair,) = compare_pairs({"a": np.array([1.1, 2.2, 3.3, 4.4, 5.5]), "b": np.zeros(5)})
    assert pair.p == pytest.approx(2 / 32)
    assert (pair.wins, pair.losses) == (5, 0)


def test_strategies_that_are_alike_do_not_differ() -> None:
    (pair,) = compare_pairs({"a": np.ones(20), "b": np.ones(20)})
    assert (pair.p, pair.difference) == (1.0, 0.0)
    assert rank({"a": np.ones(5), "b": np.ones(5), "c": np.ones(5)}).p == 1.0


def test_holm_multiplies_the_smallest_by_the_number_of_pairs() -> None:
    rng = np.random.default_rng(0)
    gains = {name: rng.normal(shift, 1, 30) for name, shift in (("a", 0), ("b", 0.6), ("c", 3))}
    pairs = compare_pairs(gains)
    ordered = sorted(pairs, key=lambda pair: pair.p)
    assert ordered[0].p_holm == pytest.approx(3 * ordered[0].p)
    assert ordered[1].p_holm == pytest.approx(max(2 * ordered[1].p, ordered[0].p_holm))
    assert all(x.p_holm <= y.p_holm for x, y in itertools.pairwise(ordered))


def test_seeds_without_a_result_are_left_out_of_pairs_and_last_in_ranks() -> None:
    gains = {"a": np.array([1.0, np.nan, 3.0]), "b": np.array([0.5, 1.0, 2.0])}
    assert compare_pairs(gains)[0].wins == 2
    assert rank(gains).ranks == {"a": pytest.approx(4 / 3), "b": pytest.approx(5 / 3)}


def test_the_critical_difference_is_that_of_demsar() -> None:
    """Demsar 2006, section 3.2.2: four classifiers on 14 data sets give CD = 1.25 at 5 %."""
    rng = np.random.default_rng(1)
    ranking = rank({name: rng.normal(size=14) for name in "abcd"})
    assert ranking.critical == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), rel=1e-3)
    assert round(ranking.critical, 2) == 1.25


def test_friedman_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    gains = {name: rng.normal(shift, 1, 12) for name, shift in (("a", 0), ("b", 1), ("c", 2))}
    assert rank(gains).p == pytest.approx(stats.friedmanchisquare(*gains.values()).pvalue)
