"""Metrics of all kinds of targets against scikit-learn's and against cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics

from archloom.task import (
    Labels,
    Numbers,
    calibration_error,
    f1,
    label_accuracy,
    label_auc,
    label_average_precision,
    label_f1,
    log_loss,
    mae,
    quadratic_kappa,
    r2,
    rmse,
)


def classified(classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(200, classes, generator=generator)
    return outputs, (torch.rand(200, generator=generator) ** 2 * classes).long()


@pytest.mark.parametrize("classes", [2, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_classes(classes: int, seed: int) -> None:
    outputs, targets = classified(classes, seed)
    guess, shares = outputs.argmax(1), outputs.double().softmax(1)
    average = "binary" if classes == 2 else "macro"
    assert f1(outputs, targets) == pytest.approx(metrics.f1_score(targets, guess, average=average))
    assert log_loss(outputs, targets) == pytest.approx(metrics.log_loss(targets, shares))
    assert quadratic_kappa(outputs, targets) == pytest.approx(
        metrics.cohen_kappa_score(targets, guess, weights="quadratic")
    )


def test_f1_counts_the_classes_that_occur_or_are_predicted() -> None:
    outputs = torch.eye(4)[[0, 0, 1, 2]] * 5
    targets = torch.tensor([0, 1, 1, 0])
    expected = metrics.f1_score(targets, outputs.argmax(1), average="macro", zero_division=0)
    assert f1(outputs, targets) == pytest.approx(expected)
    assert f1(torch.tensor([[1.0, 0.0]] * 3), torch.zeros(3, dtype=torch.long)) is None


def test_kappa_of_one_class_is_not_defined() -> None:
    assert quadratic_kappa(torch.tensor([[1.0, 0.0]] * 3), torch.zeros(3, dtype=torch.long)) is None


def test_the_calibration_error_by_hand() -> None:
    """Two bins: three samples at 0.9, two of them right; two at 0.6, one right."""
    sure, unsure = torch.tensor([0.9, 0.1]).log(), torch.tensor([0.6, 0.4]).log()
    outputs = torch.stack([sure, sure, sure, unsure, unsure])
    targets = torch.tensor([0, 0, 1, 0, 1])
    expected = 3 / 5 * abs(2 / 3 - 0.9) + 2 / 5 * abs(1 / 2 - 0.6)
    assert calibration_error(outputs, targets) == pytest.approx(expected, abs=1e-6)
    # in one bin the gaps of both sides partly cancel
    together = abs(3 / 5 - (3 * 0.9 + 2 * 0.6) / 5)
    assert calibration_error(outputs, targets, bins=1) == pytest.approx(together, abs=1e-6)


def test_certain_and_right_is_calibrated() -> None:
    assert calibration_error(torch.tensor([[99.0, 0.0], [0.0, 99.0]]), torch.tensor([0, 1])) == 0.0


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_labels(seed: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(150, 5, generator=generator)
    outputs = outputs.round() if ties else outputs
    targets = (torch.rand(150, 5, generator=generator) < torch.linspace(0.05, 0.9, 5)).float()
    shares, guess = outputs.double().sigmoid(), (outputs > 0).numpy()
    assert label_auc(outputs, targets) == pytest.approx(metrics.roc_auc_score(targets, shares))
    assert label_average_precision(outputs, targets) == pytest.approx(
        metrics.average_precision_score(targets, shares)
    )
    assert label_f1(outputs, targets) == pytest.approx(
        metrics.f1_score(targets, guess, average="macro")
    )
    per_label = [metrics.accuracy_score(targets[:, i], guess[:, i]) for i in range(5)]
    assert label_accuracy(outputs, targets) == pytest.approx(np.mean(per_label))
    detail = Labels(tuple("abcde")).detail(outputs, targets)
    for column, name in enumerate("abcde"):
        expected = metrics.roc_auc_score(targets[:, column], shares[:, column])
        assert detail[f"auc[{name}]"] == pytest.approx(expected)
        precision = metrics.average_precision_score(targets[:, column], shares[:, column])
        assert detail[f"average_precision[{name}]"] == pytest.approx(precision)


def test_labels_of_one_value_do_not_count() -> None:
    outputs = torch.tensor([[1.0, 2.0], [0.0, -2.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert label_auc(outputs, targets) == 1.0
    assert label_average_precision(outputs, targets) == 1.0
    assert set(Labels(("a", "b")).detail(outputs, targets)) == {"auc[a]", "average_precision[a]"}
    nothing = torch.zeros(2, 2)
    assert label_auc(outputs, nothing) is None
    assert label_average_precision(outputs, nothing) is None
    assert label_f1(outputs - 9, nothing) is None


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_numbers(columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randn(90, columns, generator=generator) * 7 + 1e3
    values = targets + torch.randn(90, columns, generator=generator)
    assert mae(values, targets) == pytest.approx(metrics.mean_absolute_error(targets, values))
    assert rmse(values, targets) == pytest.approx(
        metrics.root_mean_squared_error(targets, values), rel=1e-6
    )
    assert r2(values, targets) == pytest.approx(metrics.r2_score(targets, values), rel=1e-6)
    names = tuple("abc"[:columns])
    detail = Numbers(names).detail(values, targets)
    if columns == 1:
        assert detail == {}
        return
    scores = metrics.r2_score(targets, values, multioutput="raw_values")
    assert [detail[f"r2[{name}]"] for name in names] == pytest.approx(list(scores))


def test_r2_of_constant_targets_is_not_defined() -> None:
    targets = torch.tensor([[1.0, 2.0], [1.0, 4.0]])
    values = torch.tensor([[9.0, 2.0], [9.0, 4.0]])
    assert r2(values, targets) == 1.0
    assert r2(values[:, :1], targets[:, :1]) is None
    detail = Numbers(("a", "b")).detail(values, targets)
    assert "r2[a]" not in detail
    assert detail["mae[a]"] == 8.0


def test_a_row_is_never_held_against_a_column() -> None:
    with pytest.raises(ValueError, match="one shape"):
        mae(torch.zeros(4), torch.zeros(4, 1))
