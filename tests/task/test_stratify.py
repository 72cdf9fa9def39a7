"""Stratified splits: exact shares, whatever the sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archloom.errors import DataError
from archloom.task import stratified_split, stratified_subset

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=8)


def labelled(counts: list[int]) -> torch.Tensor:
    targets = torch.cat([torch.full((n,), c) for c, n in enumerate(counts)])
    return targets[torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))]


@given(sizes, st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 5))
def test_parts_cover_all_samples_with_exact_shares(
    counts: list[int], first: float, second: float, seed: int
) -> None:
    targets = labelled(counts)
    try:
        parts = stratified_split(targets, (first, second), seed)
    except DataError:
        return  # too few samples for one of the parts
    together = torch.cat(parts)
    assert sorted(together.tolist()) == list(range(len(targets)))
    for part, fraction in zip(parts[1:], (first, second), strict=True):
        for label, count in enumerate(counts):
            share = int((targets[part] == label).sum())
            assert share <= count * fraction + 1
            assert share >= count * fraction - 2  # one less where the class must keep one
    for label in range(len(counts)):
        assert (targets[parts[0]] == label).any()


def test_a_class_with_one_member_stays_in_training() -> None:
    targets = torch.tensor([0] * 10 + [1])
    for seed in range(20):
        rest, part = stratified_split(targets, (0.5,), seed)
        assert 10 in rest.tolist()
        assert len(part) == 5


def test_the_seed_decides() -> None:
    targets = labelled([50, 50])
    one, same = (stratified_split(targets, (0.2,), 1)[1] for _ in range(2))
    other = stratified_split(targets, (0.2,), 2)[1]
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_shares_of_large_classes_are_exact() -> None:
    targets = torch.arange(6000) % 10
    rest, part = stratified_split(targets, (0.1,), 0)
    assert torch.bincount(targets[part]).tolist() == [60] * 10
    assert torch.bincount(targets[rest]).tolist() == [540] * 10


@given(sizes, st.floats(0.01, 1.0))
def test_a_subset_keeps_every_class(counts: list[int], fraction: float) -> None:
    targets = labelled(counts)
    index = stratified_subset(targets, fraction, seed=0)
    assert len(set(index.tolist())) == len(index)
    for label, count in enumerate(counts):
        share = int((targets[index] == label).sum())
        assert 1 <= share <= max(1, count * fraction + 1)


def test_numbers_to_predict_are_cut_at_random() -> None:
    rest, part = stratified_split(torch.linspace(0, 1, 50), (0.2,), 0)
    assert (len(rest), len(part)) == (40, 10)


def test_bad_fractions() -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        stratified_subset(torch.arange(4), 0.0, seed=0)
