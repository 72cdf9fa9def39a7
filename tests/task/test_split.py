"""Splits by groups, by time and into folds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archloom.errors import ConfigError, DataError
from archloom.task import (
    Classes,
    Labels,
    Mixed,
    Numbers,
    Task,
    digits,
    from_arrays,
    grouped_split,
    strata,
    time_split,
)


def together(parts: list[torch.Tensor], count: int) -> None:
    """Each sample is in one part only, and every index is in some part."""
    everything = torch.cat(parts)
    assert sorted(everything.tolist()) == list(range(count))


def _free_groups(classes: torch.Tensor, groups: np.ndarray) -> int:
    """How many groups hold no class alone."""
    owners = {c: set(groups[classes.numpy() == c]) for c in classes.unique().tolist()}
    alone = {group for own in owners.values() if len(own) == 1 for group in own}
    return len(set(groups) - alone)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 14)), min_size=60, max_size=120),
    st.integers(0, 5),
)
def test_no_group_is_on_two_sides(samples: list[tuple[int, int]], seed: int) -> None:
    classes = torch.tensor([sample[0] for sample in samples])
    groups = np.array([sample[1] for sample in samples])
    try:
        parts = grouped_split(classes, groups, (0.2, 0.2), seed)
    except DataError:  # too few groups that may be held out
        assert _free_groups(classes, groups) < 3
        return
    together(parts, len(samples))
    sides = [set(groups[part.numpy()]) for part in parts]
    assert all(sides)
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    present = set(classes[parts[0]].tolist())
    assert set(classes.tolist()) == present


def test_grouped_parts_have_their_sizes_and_classes() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 200, 3000)
    classes = torch.from_numpy((groups % 10 == 0).astype(int) + (groups % 3 == 0) * 2)
    rest, first, second = grouped_split(classes, groups, (0.1, 0.25), seed=3)
    assert [len(part) / 3000 for part in (rest, first, second)] == pytest.approx(
        [0.65, 0.1, 0.25], abs=0.01
    )
    whole = torch.bincount(classes) / 3000
    for part in (first, second):
        assert (torch.bincount(classes[part], minlength=4) / len(part) - whole).abs().max() < 0.03


def test_grouped_splits_follow_from_the_seed() -> None:
    classes, groups = torch.arange(100) % 2, np.arange(100) // 5
    first = grouped_split(classes, groups, (0.2,), seed=1)
    assert torch.equal(first[1], grouped_split(classes, groups, (0.2,), seed=1)[1])
    assert not torch.equal(first[1], grouped_split(classes, groups, (0.2,), seed=2)[1])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1] * 40, "2 parts need at least as many groups, got 1"),
        ([1] * 39, "needs 40 values"),
        ([None] + ["a"] * 39, "none is given at index 0"),
        ([float("nan")] + [1.0] * 39, "none is given at index 0"),
        ([0] * 20 + [1] * 20, "hold all samples of a class"),
    ],
)
def test_groups_that_cannot_be_split(groups: Any, message: str) -> None:
    classes = torch.tensor([0] * 20 + [1] * 20)
    with pytest.raises(DataError, match=message):
        grouped_split(classes, groups, (0.2,), seed=0)


def test_the_latest_part_is_held_out_and_ties_stay_together() -> None:
    times = np.array([5, 1, 1, 2, 3, 3, 3, 4, 9, 8])
    rest, valid, test = time_split(times, (0.2, 0.2))
    together([rest, valid, test], 10)
    assert times[rest].max() < times[valid].min()
    assert times[valid].max() < times[test].min()
    assert sorted(times[test]) == [8, 9]
    assert sorted(times[valid]) == [4, 5]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=10, max_size=60))
def test_time_never_runs_backwards(times: list[int]) -> None:
    if len(set(times)) < 3:
        with pytest.raises(DataError, match="as many different times"):
            time_split(times, (0.2, 0.3))
        return
    parts = time_split(times, (0.2, 0.3))
    together(parts, len(times))
    edges = [np.array(times)[part] for part in parts]
    assert edges[0].max() < edges[1].min()
    assert edges[1].max() < edges[2].min()


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01", "2024-03-01", "2023-12-31", "2024-02-01"],
        np.array(["2024-01-01", "2024-03-01", "2023-12-31", "2024-02-01"], dtype="datetime64[D]"),
        [1.5, 3.5, 0.5, 2.5],
    ],
)
def test_times_of_many_kinds(times: Any) -> None:
    rest, late = time_split(times, (0.25,))
    assert (rest.tolist(), late.tolist()) == ([0, 2, 3], [1])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["monday", "tuesday", "friday"], "such as 2024-05-31, got 'monday'"),
        (np.array(["2024-01-01", "NaT", "2024-01-03"], dtype="datetime64[D]"), "index 1"),
        ([1.0, float("nan"), 2.0], "index 1"),
        ([[1, 2], [3, 4]], "shape"),
    ],
)
def test_times_that_cannot_be(times: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        time_split(times, (0.3,))


X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
Y = np.arange(120) % 3
PEOPLE = np.array([f"p{n // 4}" for n in range(120)])


def ids(task: Task) -> list[set[int]]:
    """Which samples of X are in training, validation and test."""
    place = {tuple(row): n for n, row in enumerate(X.tolist())}
    splits = [task.train, task.valid]
    splits += [task.open_test(lambda: None)] if task.has_test else []
    return [{place[tuple(row)] for row in split.inputs.tolist()} for split in splits]


def test_a_task_split_by_groups() -> None:
    task = from_arrays(X, Y, valid=0.2, test=0.2, groups=PEOPLE, seed=1)
    sides = [{PEOPLE[n] for n in part} for part in ids(task)]
    assert sum(len(side) for side in sides) == 30
    assert len(set.union(*sides)) == 30
    assert task.groups is not None
    assert len(task.groups) == len(task.train) + len(task.valid)
    kept = {PEOPLE[n] for n in ids(task)[0] | ids(task)[1]}
    assert len(set(task.groups.tolist())) == len(kept)
    assert task.fingerprint != from_arrays(X, Y, valid=0.2, test=0.2, seed=1).fingerprint


def test_a_task_split_by_time() -> None:
    times = np.random.default_rng(1).permutation(120)
    task = from_arrays(X, Y, valid=0.25, test=0.25, time=times)
    train, valid, test = ({times[n] for n in part} for part in ids(task))
    assert max(train) < min(valid)
    assert max(valid) < min(test)
    assert len(test) == len(valid) == 30
    only = from_arrays(X, Y, valid=0.25, time=times)
    assert {times[n] for n in ids(only)[1]} == set(range(90, 120))


def test_groups_and_time_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match="both were given"):
        from_arrays(X, Y, groups=PEOPLE, time=np.arange(120))


def test_regression_is_cut_over_its_whole_range() -> None:
    y = np.exp(X[:, 0] * 2)
    task = from_arrays(X, y, valid=0.25, seed=0)
    edges = np.quantile(y, np.linspace(0, 1, 11))
    found = np.histogram(task.valid.targets[:, 0].numpy(), edges)[0]
    assert found.min() >= 2
    assert found.max() <= 4


def test_strata_of_each_kind() -> None:
    assert strata(torch.tensor([2, 0]), Classes(tuple("abc"))).tolist() == [2, 0]
    rows = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert strata(rows, Labels(("often", "rare"))).tolist() == [1, 0, 2, 0]
    numbers = torch.arange(40.0).reshape(40, 1)
    assert np.bincount(strata(numbers, Numbers(("x",)), parts=2)).tolist() == [4] * 10
    mixed = Mixed({"x": Numbers(("x",)), "c": Classes(("a", "b"))})
    assert strata(torch.tensor([[9.0, 1.0], [1.0, 0.0]]), mixed).tolist() == [1, 0]


def test_folds_cover_the_pooled_samples_once() -> None:
    task = digits()
    index = task.fold_index(5, seed=3)
    pooled = task.pooled()
    assert len(index) == len(pooled) == len(task.train) + len(task.valid)
    assert torch.equal(pooled.targets[: len(task.train)], task.train.targets)
    counts = torch.bincount(index)
    assert counts.max() - counts.min() <= 1
    folds = task.folds(5, seed=3)
    for number, fold in enumerate(folds):
        assert torch.equal(fold.valid.targets, pooled.targets[index == number])
        assert torch.equal(fold.train.targets, pooled.targets[index != number])
        by_class = torch.bincount(fold.valid.targets, minlength=10)
        expected = torch.bincount(pooled.targets) / 5
        assert (by_class - expected).abs().max() <= 1
        assert not fold.has_test
        assert fold.source is None
        assert fold.target is task.target
    assert len({fold.fingerprint for fold in [task, *folds]}) == 6
    assert folds[2].fingerprint == task.fold(2, 5, seed=3).fingerprint
    assert not torch.equal(index, task.fold_index(5, seed=4))


def test_folds_keep_groups_together() -> None:
    task = from_arrays(X, Y, valid=0.2, groups=PEOPLE)
    folds = task.folds(4)
    for fold in folds:
        train, valid = ({PEOPLE[n] for n in part} for part in ids(fold))
        assert not train & valid
        assert 20 <= len(fold.valid) <= 40
        assert fold.groups is not None
        again = fold.fold_index(3)
        for group in fold.groups.unique():
            assert len(again[fold.groups == group].unique()) == 1
    named = from_arrays(X, Y, valid=0.2).folds(4, groups=PEOPLE)
    assert len(named) == 4


def test_the_only_member_of_a_class_always_trains() -> None:
    y = np.array([2] + [0, 1] * 30)
    task = from_arrays(X[:61], y, valid=0.2)
    index = task.fold_index(4)
    assert (task.pooled().targets[index == -1] == 2).all()
    assert int((index == -1).sum()) == 1
    assert all(2 in fold.train.targets for fold in task.folds(4))


@pytest.mark.parametrize(("k", "kind"), [(1, ConfigError), (0, ConfigError), (500, DataError)])
def test_folds_that_cannot_be(k: int, kind: type[Exception]) -> None:
    task = from_arrays(X, Y, valid=0.2)
    with pytest.raises(kind, match="fold"):
        task.folds(k)


def test_too_few_groups_for_the_folds() -> None:
    with pytest.raises(DataError, match="as many groups"):
        from_arrays(X, Y, valid=0.2).folds(5, groups=np.arange(120) % 3)
