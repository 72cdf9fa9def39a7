"""Greedy selection: laws that hold for all libraries, and cases worked out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archloom.ensemble import greedy_selection
from archloom.errors import ConfigError


def library(members: int, samples: int, seed: int) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(samples, 2, generator=generator)
    noise = torch.randn(members, samples, 2, generator=generator)
    return list(truth + noise), truth


def closeness(truth: Tensor):  # type: ignore[no-untyped-def]
    return lambda mean: -float((mean - truth).square().mean())


@settings(max_examples=40, deadline=None)
@given(
    members=st.integers(1, 8),
    samples=st.integers(1, 20),
    seed=st.integers(0, 10**6),
    rounds=st.integers(0, 12),
    bags=st.integers(1, 4),
    start=st.none() | st.integers(1, 3),
)
def test_never_worse_than_the_best_member(
    members: int, samples: int, seed: int, rounds: int, bags: int, start: int | None
) -> None:
    outputs, truth = library(members, samples, seed)
    score = closeness(truth)
    weights = greedy_selection(outputs, score, rounds, bags=bags, start=start, seed=seed)
    mean = sum(weight * each for weight, each in zip(weights, outputs, strict=True))
    assert isinstance(mean, Tensor)
    assert sum(weights) == pytest.approx(1.0)
    assert min(weights) >= 0
    assert score(mean) >= max(score(each) for each in outputs) - 1e-6


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)))
def test_the_order_of_the_members_does_not_matter(seed: int, order: list[int]) -> None:
    outputs, truth = library(5, 12, seed)
    weights = greedy_selection(outputs, closeness(truth), 8)
    shuffled = greedy_selection([outputs[place] for place in order], closeness(truth), 8)
    assert shuffled == pytest.approx([weights[place] for place in order])


def test_weights_come_from_counting() -> None:
    """The target lies at a quarter of the way: three parts of one member, one of the other."""
    low, high = torch.zeros(3), torch.ones(3)
    weights = greedy_selection([low, high], closeness(torch.full((3,), 0.25)), 10)
    assert weights == [0.75, 0.25]


def test_opposite_errors_cancel() -> None:
    truth = torch.tensor([1.0, -1.0])
    error = torch.tensor([0.5, 0.5])
    outputs = [truth + error, truth - error, truth + 2 * error]
    assert greedy_selection(outputs, closeness(truth), 20) == [0.5, 0.5, 0.0]


def test_without_rounds_the_best_have_equal_weights() -> None:
    truth = torch.zeros(4)
    outputs = [torch.full((4,), value) for value in (0.1, -0.2, 5.0)]
    assert greedy_selection(outputs, closeness(truth), 0) == [0.5, 0.5, 0.0]
    assert greedy_selection(outputs, closeness(truth), 0, start=1) == [1.0, 0.0, 0.0]


def test_a_second_entry_of_the_score_decides_between_equals() -> None:
    outputs = [torch.tensor([1.0]), torch.tensor([2.0])]
    assert greedy_selection(outputs, lambda mean: (0.0, float(mean)), 3) == [0.0, 1.0]


def test_equal_members_give_the_first() -> None:
    same = torch.ones(3)
    assert greedy_selection([same, same], closeness(same), 5) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": []}, "at least one member"),
        ({"outputs": [torch.zeros(2), torch.zeros(3)]}, r"shapes \[\(2,\), \(3,\)\]"),
        ({"rounds": -1}, "rounds from 0"),
        ({"bags": 0}, "bags from 1"),
        ({"share": 0.0}, "share in"),
        ({"start": 0}, "start from 1"),
    ],
)
def test_settings_out_of_range(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"outputs": [torch.zeros(2)], "score": float, **change}
    with pytest.raises(ConfigError, match=message):
        greedy_selection(**given)  # type: ignore[arg-type]
