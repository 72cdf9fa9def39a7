"""Arrays in memory to a task: layouts, dtypes, labels, several inputs, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from archloom.errors import ConfigError, DataError
from archloom.task import Task, from_arrays


def images(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 255, shape)
    return values.astype(dtype)


def halves(count: int) -> np.ndarray:
    return np.arange(count) % 2


@pytest.mark.parametrize(
    ("shape", "layout", "expected"),
    [
        ((40, 9), "auto", (9,)),
        ((40, 8, 9), "auto", (1, 8, 9)),
        ((40, 8, 9, 3), "auto", (3, 8, 9)),
        ((40, 3, 8, 9), "auto", (3, 8, 9)),
        ((40, 1, 28, 28), "auto", (1, 28, 28)),
        ((40, 28, 28, 1), "auto", (1, 28, 28)),
        ((40, 4, 5, 6, 2), "auto", (2, 4, 5, 6)),
        ((40, 8, 8, 8), "NHWC", (8, 8, 8)),
        ((40, 8, 8, 8), "NDHW", (1, 8, 8, 8)),
        ((40, 6, 100), "NCL", (6, 100)),
        ((40, 100, 6), "NLC", (6, 100)),
    ],
)
def test_layouts(shape: tuple[int, ...], layout: str, expected: tuple[int, ...]) -> None:
    task = from_arrays(images(*shape), halves(40), layout=layout)
    assert task.shape == expected
    assert task.example(3).shape == (3, *expected)


def test_channels_move_with_their_values() -> None:
    array = images(40, 5, 6, 3)
    task = from_arrays(array, halves(40), valid=(array, halves(40)))
    np.testing.assert_array_equal(task.train.inputs.numpy(), array.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, torch.uint8),
        (np.float32, torch.float32),
        (np.float16, torch.float16),
        (np.float64, torch.float32),
        (np.int64, torch.float32),
        (np.uint16, torch.float32),
        (">i4", torch.float32),
        (bool, torch.float32),
    ],
)
def test_dtypes(dtype: Any, expected: torch.dtype) -> None:
    task = from_arrays(images(40, 8, 8, dtype=dtype), halves(40))
    assert task.train.inputs.dtype == expected
    assert task.prepare(task.train.inputs[:2]).dtype == torch.float32


def test_the_given_arrays_are_not_changed() -> None:
    array = images(40, 8, dtype=np.float32)
    before = array.copy()
    task = from_arrays(array, halves(40), valid=(array, halves(40)))
    task.prepare(task.train.inputs)
    np.testing.assert_array_equal(array, before)


def test_read_only_and_backward_arrays_are_taken() -> None:
    array = images(40, 8)[::-1]
    array.flags.writeable = False
    assert len(from_arrays(array, halves(40)).train) == 36


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a"] * 20, ("a", "b")),
        ([7, 3] * 20, ("3", "7")),
        ([7.0, 3.0] * 20, ("3", "7")),
        (np.array([[1], [0]] * 20, dtype=np.uint8), ("0", "1")),
        ([True, False] * 20, ("False", "True")),
        (np.array(["yes", "no"] * 20, dtype=object), ("no", "yes")),
        ([("a", 2), ("a", 1)] * 20, None),
        ([1, "a"] * 20, ("1", "a")),
        (torch.tensor([1, 0] * 20), ("0", "1")),
    ],
)
def test_labels_of_any_kind(labels: Any, names: tuple[str, ...] | None) -> None:
    if isinstance(labels, list) and isinstance(labels[0], tuple):
        column = np.empty(40, dtype=object)
        column[:] = labels
        labels = column
        names = ("('a', 1)", "('a', 2)")
    task = from_arrays(images(40, 8), labels, valid=0.25)
    assert task.class_names == names
    assert task.classes == 2
    assert sorted(task.describe()["class_counts"]["train"]) == [15, 15]


def test_labels_mean_the_same_in_every_split() -> None:
    X = images(4, 3)
    task = from_arrays(
        X, list("cabc"), valid=(X[:2], list("ca")), test=(X[:1], ["b"]), name="letters"
    )
    assert task.train.targets.tolist() == [2, 0, 1, 2]
    assert task.valid.targets.tolist() == [2, 0]
    assert task.open_test(lambda: None).targets.tolist() == [1]


def test_several_inputs_by_name() -> None:
    X = {"image": images(40, 8, 8), "age": np.linspace(0, 1, 40).reshape(-1, 1)}
    task = from_arrays(X, halves(40), valid=0.25)
    assert task.shape == {"image": (1, 8, 8), "age": (1,)}
    example = task.example(2, device="cpu")
    assert {name: tuple(t.shape) for name, t in example.items()} == {
        "image": (2, 1, 8, 8),
        "age": (2, 1),
    }
    prepared = task.prepare(task.train.inputs)
    for tensor in prepared.values():
        assert tensor.mean().abs() < 1e-5
    assert task.augment_ops == ()


def test_several_inputs_by_position() -> None:
    task = from_arrays((images(40, 8), images(40, 5)), halves(40))
    assert task.shape == ((8,), (5,))
    assert task.to("cpu").fingerprint == task.fingerprint
    assert task.hints == {
        "classes": 2,
        "outputs": 2,
        "shape": ([8], [5]),
        "kinds": ("table", "table"),
    }


def test_token_numbers_stay_as_they_are() -> None:
    tokens = np.random.default_rng(0).integers(0, 1000, (40, 12))
    task = from_arrays(tokens, halves(40), normalise=False)
    assert task.prepare(task.train.inputs).dtype == torch.int64
    assert task.example(2).dtype == torch.int64


def test_regression_with_a_loss_of_its_own() -> None:
    X = images(60, 8, dtype=np.float32)
    y = X.sum(1) / 1000
    task = from_arrays(
        X, y, loss=lambda out, want: functional.mse_loss(out.squeeze(1), want), valid=0.25
    )
    assert task.train.targets.dtype == torch.float32
    assert task.outputs is None
    assert task.main_metric == "loss"
    outputs = task.valid.targets.unsqueeze(1) + 2.0
    assert task.score(outputs, task.valid.targets) == {"loss": pytest.approx(4.0)}


def test_several_targets_with_metrics_of_their_own() -> None:
    y = np.random.default_rng(0).integers(0, 2, (40, 3))
    task = from_arrays(
        images(40, 8),
        y,
        loss=lambda out, want: functional.binary_cross_entropy_with_logits(out, want.float()),
        metrics={"exact": lambda out, want: float(((out > 0) == want).all(1).float().mean())},
    )
    assert task.classes == 3
    assert task.metric_names == ("loss", "exact")
    assert task.score(task.valid.targets * 20.0 - 10, task.valid.targets)["exact"] == 1.0


def test_hints() -> None:
    assert from_arrays(images(40, 8, 9), halves(40)).hints == {
        "shape": [1, 8, 9],
        "channels": 1,
        "classes": 2,
        "outputs": 2,
        "features": 72,
    }
    assert from_arrays(images(40, 9), halves(40)).hints == {
        "shape": [9],
        "classes": 2,
        "outputs": 2,
        "features": 9,
    }


X40, Y40 = images(40, 8), halves(40)
HOLED = images(40, 8, 8, dtype=np.float32)
HOLED[3, 2, 1] = np.nan
HOLED[7, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("X", "y", "settings", "message"),
    [
        (HOLED, Y40, {}, r"2 NaN or infinite values.*index \[3, 2, 1\]"),
        (X40.astype(float) * 1e305, Y40, {}, "infinite"),
        (X40, Y40[:39], {}, "40 samples and 39 labels"),
        (X40, np.zeros(40), {}, "at least two classes.*'0'"),
        (X40, Y40 - 1, {}, "must not be negative, got -1 in train at index 0"),
        (X40, Y40 + 0.5, {}, "whole numbers, got 0.5"),
        (X40, np.where(Y40, np.nan, 1.0), {}, "whole numbers, got nan"),
        (X40, Y40 + 9, {"classes": 10}, "between 0 and 9, got 10 in train at index 1"),
        (X40, ["cat", "dog"] * 20, {"class_names": ["cat", "fox"]}, "no class dog"),
        (X40, np.array([None, "a"] * 20, dtype=object), {}, "missing"),
        (X40, np.array([[1], [2]] * 20, dtype=object).tolist(), {"classes": 5}, None),
        (X40, np.eye(2)[Y40], {}, "argmax"),
        (np.zeros(40), Y40, {}, r"reshape\(-1, 1\)"),
        (np.zeros((40, 8, 8, 8)), Y40, {}, "give layout="),
        (np.zeros((40, 8)), Y40, {"layout": "NHWC"}, "has 4 axes"),
        (np.array([["a"] * 8] * 40), Y40, {}, "must be numbers"),
        (np.array([None] * 40), Y40, {}, "must be numbers"),
        ([[1, 2], [3]] * 20, Y40, {}, "one shape"),
        (np.zeros((40, 8), dtype=complex), Y40, {}, "real numbers"),
        (np.zeros((0, 8)), np.zeros(0), {}, "holds? samples"),
        (X40, Y40, {"valid": (X40[:, :5], Y40)}, r"valid has \(5,\), train has \(8,\)"),
        (X40, Y40, {"valid": (X40 / 255, Y40)}, "one dtype"),
        (X40, Y40, {"valid": (X40[:4], [0, 1, 2, 0])}, "Every class needs a training sample.*'2'"),
        (X40, Y40, {"valid": 0}, "needs validation data"),
        (X40, Y40, {"valid": 1.5}, "between 0 and 1"),
        (X40, Y40, {"valid": 0.5, "test": 0.5}, "less than 1"),
        (X40, Y40, {"valid": 0.001}, "empty part"),
    ],
)
def test_what_is_refused(X: Any, y: Any, settings: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert isinstance(from_arrays(X, y, **settings), Task)
        return
    with pytest.raises(DataError, match=f"(?s){message}"):
        from_arrays(X, y, **settings)


def test_unknown_layout_and_augmentation() -> None:
    with pytest.raises(ConfigError, match="did you mean 'NHWC'"):
        from_arrays(X40, Y40, layout="NHWCC")
    with pytest.raises(ConfigError, match="did you mean 'flip'"):
        from_arrays(X40, Y40, augment_ops=("flipp",))
