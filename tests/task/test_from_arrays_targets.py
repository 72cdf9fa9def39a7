"""from_arrays: what y is, what X is, and what of both is refused."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from archloom.errors import ConfigError, DataError
from archloom.task import Classes, Labels, Mixed, Numbers, Task, from_arrays

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(60, 5))
HALVES = np.arange(60) % 2
MANY = RNG.integers(0, 2, (60, 3))
PRICE = TABLE[:, 0] * 3 + 100


@pytest.mark.parametrize(
    ("y", "kind", "outputs", "main"),
    [
        (HALVES, "classes", 2, "accuracy"),
        (["cat", "dog", "owl"] * 20, "classes", 3, "accuracy"),
        (HALVES.astype(bool), "classes", 2, "accuracy"),
        (HALVES.astype(float), "classes", 2, "accuracy"),
        (np.arange(60) % 5 + 1.0, "classes", 5, "accuracy"),
        (np.arange(60.0), "numbers", 1, "rmse"),
        (PRICE, "numbers", 1, "rmse"),
        (PRICE.reshape(60, 1), "numbers", 1, "rmse"),
        (TABLE[:, :2], "numbers", 2, "rmse"),
        (list(PRICE), "numbers", 1, "rmse"),
        (np.array(list(PRICE), dtype=object), "numbers", 1, "rmse"),
        (torch.from_numpy(PRICE), "numbers", 1, "rmse"),
        (MANY, "labels", 3, "auc"),
        (MANY.astype(np.uint8), "labels", 3, "auc"),
        (MANY.astype(bool), "labels", 3, "auc"),
        (MANY.astype(float), "labels", 3, "auc"),
        (MANY.tolist(), "labels", 3, "auc"),
    ],
)
def test_what_y_is(y: Any, kind: str, outputs: int, main: str) -> None:
    task = from_arrays(TABLE, y, valid=0.25)
    assert (task.target.kind, task.outputs, task.main_metric) == (kind, outputs, main)
    assert task.classes == task.hints["outputs"] == task.hints["classes"] == outputs
    expected = (torch.int64, 1) if kind == "classes" else (torch.float32, 2)
    assert (task.train.targets.dtype, task.train.targets.ndim) == expected
    zeros = torch.zeros(len(task.valid), outputs)
    assert set(task.score(zeros, task.valid.targets)) <= set(task.metric_names)
    assert json.loads(json.dumps(task.describe()))["target"]["kind"] == kind
    assert repr(task).endswith(f"{kind}={outputs})")


def test_what_y_is_can_be_said() -> None:
    counts = np.arange(60) % 7
    assert from_arrays(TABLE, counts).target.kind == "classes"
    assert from_arrays(TABLE, counts, target="numbers").target.kind == "numbers"
    assert from_arrays(TABLE, HALVES, target="labels").target == Labels(("0",))
    assert from_arrays(TABLE, HALVES * 0.5 + 1, target="numbers").target.kind == "numbers"
    assert from_arrays(TABLE, np.arange(60.0), classes=60, valid=(TABLE, np.arange(60.0)))


def test_numbers_are_standardised_by_the_training_part_alone() -> None:
    task = from_arrays(TABLE, PRICE, valid=(TABLE, PRICE * 100))
    assert isinstance(task.target, Numbers)
    assert task.target.mean == pytest.approx((PRICE.mean(),), rel=1e-6)
    assert task.target.std == pytest.approx((PRICE.std(),), rel=1e-6)
    model = nn.Linear(5, 1)
    with torch.no_grad():
        outputs = model(task.prepare(task.train.inputs))
    scores = task.score(outputs, task.train.targets)
    assert scores["loss"] < 10
    assert set(scores) == {"loss", "mae", "rmse", "r2"}


def test_names_of_classes_labels_and_numbers() -> None:
    assert from_arrays(TABLE, ["dog", "cat"] * 30).class_names == ("cat", "dog")
    assert from_arrays(TABLE, MANY, class_names=["a", "b", "c"]).class_names == ("a", "b", "c")
    assert from_arrays(TABLE, MANY).class_names == ("0", "1", "2")
    assert from_arrays(TABLE, PRICE).class_names == ("target",)
    assert from_arrays(TABLE, TABLE[:, :2]).class_names == ("target_0", "target_1")
    assert from_arrays(TABLE, PRICE, class_names=["price"]).class_names == ("price",)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"left": PRICE, "right": -PRICE})
    assert from_arrays(TABLE, frame).class_names == ("left", "right")
    assert from_arrays(TABLE, frame["left"]).class_names == ("left",)


def test_a_target_of_ones_own() -> None:
    robust = Numbers(("price",), huber=1.0)
    task = from_arrays(TABLE, PRICE, target=robust)
    assert isinstance(task.target, Numbers)
    assert task.target.huber == 1.0
    assert task.target.mean != ()
    assert from_arrays(TABLE, ["b", "a"] * 30, target=Classes(("b", "a"))).class_names == ("b", "a")
    graded = from_arrays(TABLE, HALVES, target=Classes(("mild", "bad"), ordinal=True))
    assert "quadratic_kappa" in graded.metric_names
    signs = from_arrays(TABLE, MANY, target=Labels(tuple("xyz")), class_weights={"x": 3.0})
    assert isinstance(signs.target, Labels)
    assert signs.target.weights == (3.0, 1.0, 1.0)


def test_class_weights_come_from_the_training_part() -> None:
    y = np.array([0] * 45 + [1] * 15)
    task = from_arrays(TABLE, y, valid=0.2, class_weights="balanced")
    counts = torch.bincount(task.train.targets)
    assert isinstance(task.target, Classes)
    expected = [len(task.train) / (2 * int(count)) for count in counts]
    assert task.target.weights == pytest.approx(expected)
    plain = from_arrays(TABLE, y, valid=0.2)
    assert task.fingerprint != plain.fingerprint
    assert torch.equal(task.train.targets, plain.train.targets)


def test_loss_metrics_and_main_metric_can_be_replaced() -> None:
    task = from_arrays(
        TABLE, PRICE, target="numbers", loss=lambda out, want: (out - want).abs().mean()
    )
    assert task.outputs is None
    assert task.metric_names == ("loss", "mae", "rmse", "r2")
    chosen = from_arrays(TABLE, HALVES, main_metric="auc")
    assert chosen.main_metric == "auc"
    with pytest.raises(ConfigError, match="did you mean 'auc'"):
        from_arrays(TABLE, HALVES, main_metric="aucc")
    own = from_arrays(TABLE, HALVES, metrics={"hits": lambda out, want: 1.0})
    assert (own.metric_names, own.main_metric) == (("loss", "hits"), "loss")
    entropy = from_arrays(TABLE, HALVES, loss=functional.cross_entropy)
    assert entropy.outputs == 2
    assert entropy.loss == entropy.target.loss


def test_labels_without_a_defined_auc_are_watched_by_the_loss() -> None:
    flat = np.zeros((8, 3), dtype=int)
    task = from_arrays(TABLE, MANY, valid=(TABLE[:8], flat))
    assert task.main_metric == "loss"
    assert "auc" not in task.score(torch.randn(8, 3), task.valid.targets)


def test_several_targets_of_mixed_kinds() -> None:
    y = {"animal": ["cat", "dog"] * 30, "price": PRICE, "signs": MANY}
    task = from_arrays(TABLE, y, valid=0.2, test=0.2, target={"signs": Labels(tuple("xyz"))})
    assert isinstance(task.target, Mixed)
    assert [part.kind for part in task.target.parts.values()] == ["classes", "numbers", "labels"]
    assert task.outputs == 6
    assert task.main_metric == "loss"
    assert task.class_names == (
        *("animal.cat", "animal.dog", "price.target"),
        *("signs.x", "signs.y", "signs.z"),
    )
    assert isinstance(task.target.parts["price"], Numbers)
    assert task.target.parts["price"].mean
    scores = task.score(torch.zeros(12, 6), task.valid.targets)
    assert {"loss", "animal.accuracy", "price.rmse", "signs.accuracy"} <= set(scores)
    # cats and dogs keep their shares in every part
    assert task.target.split_targets(task.valid.targets)["animal"].sum() == 6
    assert pickle.loads(pickle.dumps(task)).fingerprint == task.fingerprint
    assert "outputs=6" in repr(task)
    json.dumps(task.describe())


@pytest.mark.parametrize(
    ("y", "settings", "message"),
    [
        (np.where(HALVES, np.nan, PRICE), {}, "finite numbers, got nan in train at index 1"),
        (np.where(HALVES, np.inf, PRICE), {}, "finite numbers, got inf"),
        (np.where(np.arange(180).reshape(60, 3) == 4, np.nan, 0.5), {}, "at index 1"),
        (np.full(60, 3.5), {"target": "numbers"}, "'target' is 3.5 in all 60"),
        (np.full(60, 7), {"target": "numbers"}, "must vary"),
        (np.stack([PRICE, PRICE * 0], 1), {}, "'target_1' is 0"),
        (np.full(60, "cat"), {}, "at least two classes"),
        (np.zeros((60, 3), dtype=int), {}, "must have both values"),
        (MANY * 2, {"target": "labels"}, "0 or 1, got 2 in train"),
        (MANY * 2, {}, "shape \\(60, 3\\)"),
        (np.eye(3, dtype=int)[np.arange(60) % 3], {}, "one-hot"),
        (np.array(["a", "b"] * 30), {"target": "numbers"}, "must be numbers, got dtype"),
        (np.array([object()] * 60), {"target": "numbers"}, "got dtype object"),
        (np.array([[1], [1, 2]] * 30, dtype=object), {}, "hashable"),
        ([[1.0, 2.0], [3.0]] * 30, {}, "one shape"),
        (np.zeros((60, 2, 2)), {"target": "numbers"}, "one or several columns"),
        (PRICE, {"target": "numbers", "class_names": ["a", "b"]}, "need as many columns"),
        (PRICE, {"valid": (TABLE, MANY)}, "need as many columns, valid has 3"),
        (PRICE * 1e300, {}, "fit into float32"),
        ({"a": HALVES, "b": PRICE[:50]}, {}, "one value a sample"),
        ({"a": HALVES}, {"target": {"b": "numbers"}}, "no target 'b'"),
        ({"a": HALVES}, {"valid": (TABLE, HALVES)}, "dict"),
        (HALVES, {"target": {"a": "classes"}}, "dict"),
        ({"a": HALVES, "b": PRICE * 0}, {"target": {"b": "numbers"}}, "of 'b' must vary"),
    ],
)
def test_targets_that_are_refused(y: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(TABLE, y, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "number"}, "did you mean 'numbers'"),
        ({"kind": "imgae"}, "did you mean 'image'"),
        ({"target": 7}, "target= is one of"),
        ({"class_weights": "balance"}, "'balanced', a list"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_arrays(TABLE, HALVES, **settings)


def test_a_class_with_one_member_stays_in_training() -> None:
    y = np.array(["rare"] + ["a", "b"] * 29 + ["a"])
    task = from_arrays(TABLE, y, valid=0.3, test=0.3)
    rare = task.class_names.index("rare")
    assert rare in task.train.targets
    assert rare not in task.valid.targets


@pytest.mark.parametrize(
    ("shape", "kind", "expected"),
    [
        ((9,), None, ("table", (9,))),
        ((9, 7), None, ("image", (1, 9, 7))),
        ((9, 7, 3), None, ("image", (3, 9, 7))),
        ((3, 9, 7), None, ("image", (3, 9, 7))),
        ((4, 9, 7, 5), None, ("volume", (4, 9, 7, 5))),
        ((9,), "series", ("series", (1, 9))),
        ((9, 2), "series", ("series", (2, 9))),
        ((2, 9), "series", ("series", (2, 9))),
        ((6, 7, 8), "volume", ("volume", (1, 6, 7, 8))),
        ((6, 7, 8, 2), "volume", ("volume", (2, 6, 7, 8))),
        ((9, 7), "image", ("image", (1, 9, 7))),
        ((9,), "table", ("table", (9,))),
    ],
)
def test_what_X_is(shape: tuple[int, ...], kind: str | None, expected: tuple[str, Any]) -> None:
    X = RNG.normal(size=(20, *shape))
    task = from_arrays(X, np.arange(20) % 2, kind=kind, valid=0.2)
    assert (task.kind, task.shape) == expected
    prepared = task.prepare(task.train.inputs)
    assert isinstance(prepared, torch.Tensor)
    axes = [0, *range(2, prepared.ndim)]
    assert prepared.mean(axes).abs().max() < 1e-5
    assert prepared.std(axes, correction=0) == pytest.approx(1.0, abs=1e-4)


def test_text_stays_token_numbers() -> None:
    tokens = RNG.integers(0, 50, (40, 12)).astype(np.int32)
    tokens[0, 0] = 77
    task = from_arrays(tokens, np.arange(40) % 2, kind="text", test=0.2)
    assert (task.kind, task.shape, task.normalisation) == ("text", (12,), None)
    assert task.train.inputs.dtype == task.example().dtype == torch.int64  # type: ignore[union-attr]
    assert task.hints["vocabulary"] == 78
    assert task.without_test().hints["vocabulary"] == 78
    assert from_arrays(tokens, np.arange(40) % 2).kind == "table"
    assert from_arrays(tokens, np.arange(40) % 2, normalise=False).kind == "text"


@pytest.mark.parametrize(
    ("X", "kind", "message"),
    [
        (RNG.normal(size=(40, 5)), "image", "kind 'image' have 3 or 4 axes"),
        (RNG.normal(size=(40, 5, 5)), "series", "give layout=NCL or NLC"),
        (RNG.normal(size=(40, 5)), "text", "whole numbers, train holds fractions"),
        (-np.ones((40, 5), dtype=int), "text", "start at 0, train holds -1"),
        (np.ones((40, 5, 2), dtype=int), "text", "of shape \\(samples, length\\)"),
        (RNG.normal(size=(40, 5, 4)), "table", "kind 'table' have 2 axes"),
    ],
)
def test_inputs_of_another_kind(X: Any, kind: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(X, np.arange(40) % 2, kind=kind)


def test_inputs_of_mixed_kinds() -> None:
    X = {
        "photo": RNG.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8),
        "words": RNG.integers(0, 30, (40, 6)),
        "facts": RNG.normal(size=(40, 4)) * 9,
    }
    task = from_arrays(
        X,
        np.arange(40) % 2,
        kind={"photo": "image", "words": "text", "facts": None},
        normalise={"photo": True, "words": True, "facts": False},
    )
    assert task.kind == "mixed"
    assert task.kinds == {"photo": "image", "words": "text", "facts": "table"}
    assert task.normalisation["words"] is None
    assert task.normalisation["facts"] is None
    prepared = task.prepare(task.train.inputs)
    assert isinstance(prepared, dict)
    assert prepared["words"].dtype == torch.int64
    assert prepared["photo"].mean().abs() < 1e-4
    assert torch.equal(prepared["facts"], task.train.inputs["facts"])  # type: ignore[index]
    assert task.to("cpu").example(3)["words"].dtype == torch.int64  # type: ignore[index]
    assert task.hints["vocabulary"] == {"photo": None, "words": 30, "facts": None}
    json.dumps(task.describe())
    with pytest.raises(ConfigError, match="name each of them once"):
        from_arrays(X, np.arange(40) % 2, kind={"photo": "image"})


def test_a_table_of_numbers_and_categories() -> None:
    X = {"numbers": TABLE, "categories": RNG.integers(0, 4, (60, 2))}
    task = from_arrays(X, HALVES, kind="table")
    assert task.kind == "table"
    assert task.kinds == {"numbers": "table", "categories": "categories"}
    assert task.train.inputs["categories"].dtype == torch.int64  # type: ignore[index]
    assert task.normalisation["categories"] is None
    assert "vocabulary" not in task.hints


def test_an_encoder_is_carried_along_with_its_hints() -> None:
    encoder = SimpleNamespace(hints={"vocabulary": 99})
    task = from_arrays(np.arange(80).reshape(20, 4), HALVES[:20], kind="text", encoder=encoder)
    assert task.hints["vocabulary"] == 99
    assert task.without_test().encoder is encoder


def test_a_constant_column_is_not_divided_by_nothing() -> None:
    X = np.stack([TABLE[:, 0], np.full(60, 1e6), np.full(60, -3.0)], 1)
    task = from_arrays(X, HALVES)
    prepared = task.prepare(task.train.inputs)
    assert isinstance(prepared, torch.Tensor)
    assert prepared.isfinite().all()
    assert prepared[:, 1:].abs().max() < 1e-3


def test_the_same_values_of_another_kind_have_another_fingerprint() -> None:
    tasks: list[Task] = [
        from_arrays(TABLE, HALVES),
        from_arrays(TABLE, HALVES, kind="series"),
        from_arrays(TABLE, HALVES, target="labels"),
        from_arrays(TABLE, HALVES, target="numbers"),
        from_arrays(TABLE, HALVES, target=Classes(("0", "1"), ordinal=True)),
        from_arrays(TABLE, HALVES, target=Numbers(("target",), huber=1.0)),
    ]
    assert len({task.fingerprint for task in tasks}) == len(tasks)


def test_plain_classes_keep_the_fingerprint_of_the_first_version() -> None:
    X = np.arange(4000).reshape(50, 80).astype("f4")
    task = from_arrays(X, ["a", "b"] * 25, test=0.2)
    assert task.fingerprint == "78bbd26f78430f1bc38fa7758629c574"
