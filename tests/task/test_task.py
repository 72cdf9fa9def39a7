"""The task itself: the guarded test split, normalisation, fingerprint, moving, describing."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from archloom.errors import DataError, TestSplitGuarded
from archloom.task import Split, Task, batches, digits, epoch_order, from_arrays, load


def test_the_test_split_has_one_door() -> None:
    task = digits()
    with pytest.raises(TestSplitGuarded, match="final evaluation"):
        _ = task.test
    calls: list[str] = []
    split = task.open_test(lambda: calls.append("opened"))
    assert calls == ["opened"]
    assert len(split) == task.test_size == 359


def test_a_record_that_fails_keeps_the_door_shut() -> None:
    def record() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        digits().open_test(record)


def test_candidates_cannot_reach_the_test_split() -> None:
    whole = digits()
    task = whole.without_test()
    assert not task.has_test
    assert task.test_size == 0
    assert task.fingerprint == whole.fingerprint
    with pytest.raises(TestSplitGuarded, match="candidates never get one"):
        task.open_test(lambda: None)
    # 359 samples of 64 bytes are in the whole task's pickle and not in the other's
    assert len(pickle.dumps(whole)) - len(pickle.dumps(task)) > 359 * 64


def test_the_fingerprint_sees_every_value_and_label() -> None:
    X = np.random.default_rng(0).integers(0, 255, (60, 4, 4), dtype=np.uint8)
    y = np.arange(60) % 3
    whole = {"valid": (X[:9], y[:9]), "test": (X[9:20], y[9:20])}
    first = from_arrays(X, y, **whole).fingerprint
    assert from_arrays(X.copy(), y, **whole).fingerprint == first

    def changed(array: np.ndarray) -> np.ndarray:
        other = array.copy()
        other.flat[-1] = other.flat[-1] + 1 if array is X else (other.flat[-1] + 1) % 3
        return other

    others = [
        from_arrays(changed(X), y, **whole),
        from_arrays(X, changed(y), **whole),
        from_arrays(X, y, valid=(changed(X[:9]), y[:9]), test=whole["test"]),
        from_arrays(X, y, valid=whole["valid"], test=(X[9:20], changed(y[9:20]))),
        from_arrays(X, y, valid=whole["valid"]),
        from_arrays(X.astype(np.float32), y, valid=(X[:9] * 1.0, y[:9])),
        from_arrays(X, y.astype(str), valid=(X[:9], ["0", "1", "2"] * 3)),
    ]
    prints = {task.fingerprint for task in others[:6]} | {first}
    assert len(prints) == 7
    assert others[6].class_names == ("0", "1", "2")


def test_normalisation_comes_from_training_data_only() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal([1.0, -5.0], [2.0, 0.1], (300, 2)).astype(np.float32)
    y = np.arange(300) % 2
    far = X + 1000
    task = from_arrays(X, y, valid=(far, y))
    mean, std = task.normalisation
    np.testing.assert_allclose(mean, X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, X.std(0), rtol=1e-4)
    prepared = task.prepare(task.train.inputs)
    np.testing.assert_allclose(prepared, (X - X.mean(0)) / X.std(0), atol=1e-4)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    X = np.full((20, 3), 7.0)
    X[:, 0] = np.arange(20)
    prepared = (task := from_arrays(X, np.arange(20) % 2)).prepare(task.train.inputs)
    assert torch.isfinite(prepared).all()
    assert (prepared[:, 1] == 0).all()


def test_the_published_mean_of_fashion_mnist() -> None:
    try:
        task = load("fashion-mnist")
    except DataError as error:
        pytest.skip(str(error))
    mean, std = task.normalisation
    # 0.2860 and 0.3530 for all 60,000 images, as everybody's training script has them
    assert float(mean) / 255 == pytest.approx(0.2860, abs=5e-4)
    assert float(std) / 255 == pytest.approx(0.3530, abs=5e-4)
    assert (len(task.train), len(task.valid), task.test_size) == (54_000, 6_000, 10_000)
    assert task.describe()["class_counts"]["valid"] == [600] * 10
    assert task.class_names[9] == "Ankle boot"


def test_describe_is_json() -> None:
    described = json.loads(json.dumps(digits().describe()))
    assert described["train"] == 1079
    assert described["shape"] == [1, 8, 8]
    assert sum(described["class_counts"]["train"]) == 1079


def test_a_task_can_be_pickled() -> None:
    task = digits()
    again = pickle.loads(pickle.dumps(task))
    assert again.fingerprint == task.fingerprint
    assert again.describe() == task.describe()


def test_a_task_made_by_hand_is_checked() -> None:
    good = Split(torch.zeros(4, 3), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(DataError, match="between 0 and 1, got 5"):
        Task("bad", Split(torch.zeros(2, 3), torch.tensor([0, 5])), good, classes=2)
    with pytest.raises(DataError, match="one target"):
        Task("bad", Split(torch.zeros(3, 3), torch.tensor([0, 1])), good, classes=2)


def test_batches_visit_every_sample_once_an_epoch() -> None:
    split = Split(torch.arange(23.0).unsqueeze(1), torch.arange(23))
    for epoch in (1, 2):
        seen = torch.cat([t for _, t in batches(split, 5, seed=3, epoch=epoch)])
        assert torch.equal(seen, epoch_order(23, 3, epoch))
        assert sorted(seen.tolist()) == list(range(23))
    assert not torch.equal(epoch_order(23, 3, 1), epoch_order(23, 3, 2))
    assert not torch.equal(epoch_order(23, 3, 1), epoch_order(23, 4, 1))


def test_a_lone_last_sample_is_left_out_of_training_but_not_of_judging() -> None:
    split = Split(torch.zeros(21, 1), torch.arange(21))
    assert [len(t) for _, t in batches(split, 5, seed=0, epoch=1)] == [5, 5, 5, 5]
    assert [len(t) for _, t in batches(split, 5)] == [5, 5, 5, 5, 1]
    assert [len(t) for _, t in batches(split.take(torch.tensor([4])), 5, seed=0)] == [1]
