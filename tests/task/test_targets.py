"""Targets: what is predicted, how it is learnt, judged and read."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from archloom.errors import ConfigError
from archloom.task import (
    Classes,
    Custom,
    Labels,
    Mixed,
    Numbers,
    Target,
    fitted_target,
    target_from_json,
)

CATS = Classes(("cat", "dog", "owl"))
SIGNS = Labels(("edema", "effusion"), weights=(2.0, 0.5))
SIZE = Numbers(("width", "height"), mean=(10.0, -2.0), std=(2.0, 0.5))
ALL = Mixed({"animal": CATS, "signs": SIGNS, "size": SIZE}, weights={"size": 0.25})


def drawn(target: Target, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(count, target.outputs, generator=generator)
    match target:
        case Classes():
            return outputs, torch.randint(0, target.outputs, (count,), generator=generator)
        case Labels():
            return outputs, (torch.rand(count, 2, generator=generator) > 0.6).float()
        case Mixed():
            parts = {name: drawn(part, count)[1] for name, part in target.parts.items()}
            return outputs, target.join_targets(parts)
    return outputs, torch.randn(count, target.outputs, generator=generator) * 3 + 5


@pytest.mark.parametrize(
    "target", [CATS, Classes(("a", "b"), (1, 3), ordinal=True), SIGNS, SIZE, ALL]
)
def test_a_target_survives_json_pickle_and_copy(target: Target) -> None:
    data = json.loads(json.dumps(target.to_json()))
    assert target_from_json(data) == target
    assert pickle.loads(pickle.dumps(target)) == target
    assert copy.deepcopy(target) == target
    assert isinstance(target, Target)
    outputs, targets = drawn(target)
    metrics = pickle.loads(pickle.dumps(target.metrics))
    for name, metric in target.metrics.items():
        assert metrics[name](outputs, targets) == metric(outputs, targets)


@pytest.mark.parametrize("target", [CATS, SIGNS, SIZE, ALL])
def test_what_every_target_gives(target: Target) -> None:
    outputs, targets = drawn(target)
    outputs.requires_grad_()
    loss = target.loss(outputs, targets)
    assert loss.shape == ()
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    assert target.finish(outputs).shape == (40, target.outputs)
    assert len(target.names) == target.outputs
    assert target.main in (*target.metrics, "loss")
    assert all(np.isfinite(v) for v in target.detail(outputs.detach(), targets).values())


def test_a_loss_made_in_inference_serves_in_training() -> None:
    weighted = Classes(("x", "y", "z"), (0.123, 1.0, 2.0))
    outputs, targets = drawn(weighted)
    with torch.inference_mode():
        weighted.loss(outputs, targets)
    loss = weighted.loss(outputs.requires_grad_(), targets)
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert gradient.abs().sum() > 0


def test_class_weights_are_those_of_torch() -> None:
    weighted = Classes(CATS.names, (1.0, 2.0, 4.0))
    outputs, targets = drawn(CATS)
    expected = functional.cross_entropy(outputs, targets, weight=torch.tensor([1.0, 2.0, 4.0]))
    assert torch.equal(weighted.loss(outputs, targets), expected)
    assert torch.equal(CATS.loss(outputs, targets), functional.cross_entropy(outputs, targets))


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    targets = torch.tensor([0] * 7 + [1] * 2 + [2] * 1)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets.numpy())
    found = fitted_target(CATS, targets, "balanced")
    assert isinstance(found, Classes)
    assert found.weights == pytest.approx(tuple(expected))
    columns = torch.tensor([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 8)
    labels = fitted_target(SIGNS, columns, "balanced")
    assert isinstance(labels, Labels)
    assert labels.weights == pytest.approx((4.0, 0.25))


def test_weights_by_name_and_by_place() -> None:
    targets = torch.tensor([0, 1, 2])
    named = fitted_target(CATS, targets, {"dog": 3})
    assert isinstance(named, Classes)
    assert named.weights == (1.0, 3.0, 1.0)
    listed = fitted_target(CATS, targets, [1, 2, 3])
    assert isinstance(listed, Classes)
    assert listed.weights == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("target", "weights", "message"),
    [
        (CATS, "even", "'balanced', a list or a mapping"),
        (CATS, {"dgo": 1.0}, "did you mean 'dog'"),
        (CATS, [1.0, 2.0], "3 classes needs a weight, got 2"),
        (CATS, [1.0, 0.0, 1.0], "positive finite number, got 0.0 for 'dog'"),
        (CATS, [1.0, float("nan"), 1.0], "positive finite number"),
        (SIZE, "balanced", "numbers have none"),
        (ALL, "balanced", "mapping of their names"),
        (ALL, {"animals": "balanced"}, "did you mean 'animal'"),
        (Custom(("a",), functional.mse_loss), "balanced", "weight inside loss="),
    ],
)
def test_weights_that_do_not_fit(target: Target, weights: Any, message: str) -> None:
    targets = torch.zeros(4, 5)
    with pytest.raises(ConfigError, match=message):
        fitted_target(target, targets, weights)


def test_mixed_parts_are_weighted_one_by_one() -> None:
    outputs, targets = drawn(ALL)
    fitted = fitted_target(ALL, targets, {"animal": "balanced"})
    assert isinstance(fitted, Mixed)
    part = fitted.parts["animal"]
    assert isinstance(part, Classes)
    assert part.weights is not None
    assert fitted.parts["signs"] == SIGNS
    assert float(fitted.loss(outputs, targets)) != pytest.approx(float(ALL.loss(outputs, targets)))


def test_positive_weights_of_labels() -> None:
    outputs, targets = drawn(SIGNS)
    expected = functional.binary_cross_entropy_with_logits(
        outputs, targets, pos_weight=torch.tensor([2.0, 0.5])
    )
    assert torch.equal(SIGNS.loss(outputs, targets), expected)


def test_label_smoothing_of_classes_is_that_of_torch() -> None:
    outputs, targets = drawn(CATS)
    expected = functional.cross_entropy(outputs, targets, label_smoothing=0.1)
    assert torch.equal(CATS.smoothed(0.1)(outputs, targets), expected)


def test_label_smoothing_of_labels_moves_targets_to_the_middle() -> None:
    plain = Labels(("a", "b"))
    outputs, targets = drawn(SIGNS)
    expected = functional.binary_cross_entropy_with_logits(outputs, targets * 0.8 + 0.1)
    assert torch.allclose(plain.smoothed(0.2)(outputs, targets), expected)


def test_label_smoothing_means_nothing_for_numbers() -> None:
    with pytest.raises(ConfigError, match="means nothing for numbers"):
        SIZE.smoothed(0.1)
    with pytest.raises(ConfigError, match="means nothing for numbers"):
        Mixed({"size": SIZE}).smoothed(0.1)
    with pytest.raises(ConfigError, match="loss of its own"):
        Custom(("a",), functional.mse_loss).smoothed(0.1)


def test_label_smoothing_of_a_mixed_target_leaves_its_numbers() -> None:
    outputs, targets = drawn(ALL)
    parts, wanted = ALL.split(outputs), ALL.split_targets(targets)
    expected = (
        CATS.smoothed(0.1)(parts["animal"], wanted["animal"])
        + SIGNS.smoothed(0.1)(parts["signs"], wanted["signs"])
        + 0.25 * SIZE.loss(parts["size"], wanted["size"])
    )
    assert torch.allclose(ALL.smoothed(0.1)(outputs, targets), expected)


def test_numbers_are_learnt_standardised_and_read_in_natural_units() -> None:
    targets = torch.tensor([[12.0, -2.5], [8.0, -1.5]])
    right = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert torch.equal(SIZE.standardised(targets), right)
    assert torch.equal(SIZE.finish(right), targets)
    assert float(SIZE.loss(right, targets)) == 0.0
    assert float(SIZE.loss(right + 2.0, targets)) == 4.0
    assert SIZE.metrics["mae"](right + 1.0, targets) == pytest.approx((2.0 + 0.5) / 2)


def test_the_huber_loss_is_linear_far_away() -> None:
    robust = Numbers(("a",), huber=1.0)
    zero = torch.zeros(1, 1)
    assert float(robust.loss(torch.tensor([[0.5]]), zero)) == pytest.approx(0.125)
    assert float(robust.loss(torch.tensor([[9.0]]), zero)) == pytest.approx(8.5)


def test_mean_and_deviation_are_measured_on_the_targets() -> None:
    targets = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    found = fitted_target(Numbers(("a", "b")), targets)
    assert found == Numbers(("a", "b"), mean=(2.0, 5.0), std=(1.0, 1.0))
    assert fitted_target(SIZE, targets) is SIZE


def test_a_mixed_target_is_its_parts_side_by_side() -> None:
    outputs, targets = drawn(ALL)
    parts, wanted = ALL.split(outputs), ALL.split_targets(targets)
    assert wanted["animal"].dtype == torch.int64
    assert torch.equal(ALL.join_targets(wanted), targets)
    assert float(ALL.loss(outputs, targets)) == pytest.approx(
        sum(
            float(part.loss(parts[name], wanted[name])) * {"size": 0.25}.get(name, 1.0)
            for name, part in ALL.parts.items()
        ),
        rel=1e-5,
    )
    for name, part in ALL.parts.items():
        for metric, judge in part.metrics.items():
            found = ALL.metrics[f"{name}.{metric}"](outputs, targets)
            assert found == judge(parts[name], wanted[name])
        ends = list(ALL.parts).index(name)
        start = sum(p.outputs for p in list(ALL.parts.values())[:ends])
        finished = ALL.finish(outputs)[:, start : start + part.outputs]
        assert torch.equal(finished, part.finish(parts[name]))
    assert "signs.auc[edema]" in ALL.detail(outputs, targets)
    assert "size.r2[height]" in ALL.detail(outputs, targets)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Classes(()), "1 or more classes, got 0"),
        (lambda: Classes(("a", "a")), "must differ, got 'a'"),
        (lambda: Labels(("a",), (1.0, 2.0)), "1 labels needs a weight, got 2"),
        (lambda: Numbers(("a",), (1.0,)), "got 1 and 0"),
        (lambda: Numbers(("a",), (1.0,), (0.0,)), "above 0"),
        (lambda: Numbers(("a",), (float("inf"),), (1.0,)), "finite"),
        (lambda: Numbers(("a",), huber=-1.0), "above 0"),
        (lambda: Mixed({}), "at least one part"),
        (lambda: Mixed({"a": ALL}), "Classes, Labels or Numbers"),
        (lambda: Mixed({"a": CATS}, {"b": 1.0}), "no part 'b'"),
        (lambda: Mixed({"a": CATS}, {"a": -1.0}), "positive"),
        (lambda: target_from_json({"kind": "class"}), "did you mean 'classes'"),
    ],
)
def test_targets_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
