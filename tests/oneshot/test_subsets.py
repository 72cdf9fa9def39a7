"""The distribution over subsets, against a list of all of them."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from archloom.oneshot._subsets import draw_places, inclusion, log_total

SIZES = [(1, 1), (2, 2), (4, 4), (1, 3), (0, 5), (0, 2)]


def listed(log_odds: Tensor, low: int, high: int) -> tuple[list[tuple[int, ...]], Tensor]:
    subsets = [
        subset
        for size in range(low, high + 1)
        for subset in itertools.combinations(range(len(log_odds)), size)
    ]
    members = torch.tensor([[float(i in s) for i in range(len(log_odds))] for s in subsets])
    return subsets, members.double() @ log_odds


@pytest.fixture
def log_odds() -> Tensor:
    drawn = np.random.default_rng(0).normal(size=5)
    return torch.tensor(drawn, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(("low", "high"), SIZES)
def test_chances_and_their_gradient_are_those_of_the_list(
    log_odds: Tensor, low: int, high: int
) -> None:
    subsets, scores = listed(log_odds, low, high)
    shares = scores.softmax(0)
    expected = torch.stack(
        [shares[[place for place, s in enumerate(subsets) if i in s]].sum() for i in range(5)]
    )
    found = inclusion(log_odds, low, high)
    torch.testing.assert_close(found, expected)
    direction = torch.linspace(-1, 1, 5, dtype=torch.float64)
    gradients = [
        torch.autograd.grad((x * direction).sum(), log_odds, retain_graph=True)[0]
        for x in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("low", "high"), SIZES)
def test_second_derivatives_are_those_of_the_list(log_odds: Tensor, low: int, high: int) -> None:
    def expected(odds: Tensor) -> Tensor:
        return listed(odds, low, high)[1].logsumexp(0)

    hessians = [
        torch.autograd.functional.hessian(total, log_odds.detach())
        for total in (lambda odds: log_total(odds, low, high), expected)
    ]
    torch.testing.assert_close(*hessians)


@pytest.mark.parametrize(("low", "high"), SIZES)
def test_the_total_is_that_of_the_list(log_odds: Tensor, low: int, high: int) -> None:
    torch.testing.assert_close(
        log_total(log_odds, low, high), listed(log_odds, low, high)[1].logsumexp(0)
    )


@pytest.mark.parametrize(("low", "high"), SIZES)
def test_draws_follow_the_list(log_odds: Tensor, low: int, high: int) -> None:
    rng = np.random.default_rng(0)
    values = log_odds.detach().tolist()
    counts = Counter(draw_places(values, low, high, rng) for _ in range(4000))
    subsets, scores = listed(log_odds.detach(), low, high)
    assert set(counts) <= set(subsets)
    for subset, share in zip(subsets, scores.softmax(0).tolist(), strict=True):
        assert counts[subset] / 4000 == pytest.approx(share, abs=4 * 0.5 / 4000**0.5)


def test_extreme_odds_stay_finite() -> None:
    log_odds = torch.tensor([-1e4, 0.0, 1e4, 900.0], requires_grad=True)
    found = inclusion(log_odds, 2, 2)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, 1.0, 1.0]))
    found.sum().backward()
    assert log_odds.grad is not None
    assert bool(log_odds.grad.isfinite().all())
    rng = np.random.default_rng(0)
    assert draw_places(log_odds.detach().tolist(), 1, 3, rng)[-2:] == (2, 3)
