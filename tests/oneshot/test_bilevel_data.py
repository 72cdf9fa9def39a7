"""The split between weights and architecture, and the batches of both."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError
from archloom.oneshot import SupernetRecipe, Traits, epoch_batches, halve, whole
from archloom.oneshot._data import endless_batches
from archloom.task import Task, digits, from_arrays


def test_both_parts_hold_every_class_in_its_share() -> None:
    task = digits()
    halves = halve(task, 0.25, seed=3)
    counts = task.train.targets.bincount()
    shares = task.train.targets[halves.arch].bincount() / counts
    assert torch.allclose(shares, torch.full((10,), 0.25), atol=0.01)
    together = torch.cat([halves.weights, halves.arch]).sort().values
    assert torch.equal(together, torch.arange(len(task.train)))


def test_the_seed_settles_the_split_and_the_fingerprint_tells_it() -> None:
    first, again, other = (halve(digits(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.weights, again.weights)
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint
    assert len(first.fingerprint) == 16


def of_groups(count: int, groups: int) -> Task:
    X = np.random.default_rng(0).normal(size=(count, 3))
    group = np.arange(count) % groups
    return from_arrays(X, (X[:, 0] > 0).astype(int), valid=0.25, groups=group, name="groups")


def test_groups_stay_on_one_side() -> None:
    task = of_groups(120, 12)
    halves = halve(task)
    assert task.groups is not None
    one = set(task.groups[halves.weights].tolist())
    other = set(task.groups[halves.arch].tolist())
    assert one
    assert other
    assert not one & other


def test_numbers_are_cut_evenly_over_their_range() -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    task = from_arrays(X, X[:, 0] * 100, valid=0.2)
    halves = halve(task)
    one, other = (task.train.targets[part] for part in (halves.weights, halves.arch))
    assert abs(float(one.mean() - other.mean())) < 0.2 * float(task.train.targets.std())


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (from_arrays(torch.rand(24, 2), torch.arange(24) % 8, valid=0.5), "8 samples or more"),
        (from_arrays(torch.rand(6, 2), torch.rand(6), valid=0.5), "the smaller part gets 1"),
        (of_groups(60, 2), "as many groups"),
    ],
    ids=["classes", "numbers", "groups"],
)
def test_too_little_data_is_told_with_the_mend(task: Task, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        halve(task)


def test_batches_go_through_all_samples_and_do_not_end() -> None:
    places = torch.arange(100, 110)
    batches = list(islice(endless_batches(places, 4, seed=0, epoch=1), 6))
    first, second = torch.cat(batches[:3]), torch.cat(batches[3:])
    assert torch.equal(first.sort().values, places)
    assert torch.equal(second.sort().values, places)
    assert not torch.equal(first, second), "in another order each time"
    again = next(endless_batches(places, 4, seed=0, epoch=1))
    assert torch.equal(again, batches[0])


def test_a_last_batch_of_one_sample_is_left_out() -> None:
    assert [len(b) for b in epoch_batches(torch.arange(9), 4, seed=0, epoch=1)] == [4, 4]


def test_sampling_methods_train_on_all_samples() -> None:
    halves = whole(digits())
    assert len(halves.weights) == len(halves.arch) == len(digits().train)
    assert not halves.apart


def test_what_is_not_set_is_the_papers() -> None:
    """DARTS, arXiv 1806.09055, section A.1.1, and what is given wins."""
    filled = SupernetRecipe().filled(Traits())
    assert (filled.lr, filled.lr_end, filled.momentum) == (0.025, 0.001, 0.9)
    assert (filled.weight_decay, filled.clip, filled.batch_size) == (3e-4, 5.0, 64)
    assert (filled.arch_lr, filled.arch_weight_decay, filled.epochs) == (3e-4, 1e-3, 50)
    given = SupernetRecipe(lr=0.1, clip=0, epochs=3, momentum=0.0, batch_size=7, arch_lr=1.0)
    filled = given.filled(Traits(), samples=100)
    assert (filled.lr, filled.clip, filled.epochs, filled.momentum) == (0.1, None, 3, 0.0)
    assert (filled.batch_size, filled.arch_lr) == (7, 1.0)


def test_few_samples_get_smaller_batches_unless_told() -> None:
    sizes = [SupernetRecipe().filled(Traits(), samples=n).batch_size for n in (50, 540, 30_000)]
    assert sizes == [8, 32, 64]


def test_warm_up_leaves_an_epoch_for_the_architecture() -> None:
    """PC-DARTS rests for 15 of 50 epochs (arXiv 1907.05737, section 4.1)."""
    for epochs, rest in ((50, 15), (2, 1), (1, 0)):
        assert SupernetRecipe(epochs=epochs, warmup=0.3).filled(Traits()).warmup_epochs == rest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"lr": -1}, "lr must be a number in"),
        ({"arch_share": 1.0}, "arch_share must be a number in"),
        ({"arch_share": None}, "arch_share must be a number in"),
        ({"lr": 0.1, "lr_end": 0.2}, "falls from lr to lr_end"),
        ({"warmup": True}, "warmup must be a number"),
        ({"augment": "mediun"}, "medium"),
        ({"amp": "fp17"}, "fp16"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SupernetRecipe(**settings)  # type: ignore[arg-type]
