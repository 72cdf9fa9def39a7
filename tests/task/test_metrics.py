"""The metrics against scikit-learn's."""

from __future__ import annotations

import pytest
import torch
from sklearn import metrics

from archloom.task import accuracy, auc, balanced_accuracy, confusion_matrix


def drawn(classes: int, seed: int, ties: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(300, classes, generator=generator)
    if ties:
        outputs = outputs.round()
    targets = (torch.rand(300, generator=generator) ** 2 * classes).long()
    return outputs, targets


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_as_scikit_learn_says(classes: int, seed: int, ties: bool) -> None:
    outputs, targets = drawn(classes, seed, ties)
    guess, shares = outputs.argmax(1), outputs.double().softmax(1)
    assert accuracy(outputs, targets) == pytest.approx(metrics.accuracy_score(targets, guess))
    assert balanced_accuracy(outputs, targets) == pytest.approx(
        metrics.balanced_accuracy_score(targets, guess)
    )
    assert (
        confusion_matrix(outputs, targets).numpy() == metrics.confusion_matrix(targets, guess)
    ).all()
    if classes == 2:
        expected = metrics.roc_auc_score(targets, shares[:, 1])
    else:
        expected = metrics.roc_auc_score(targets, shares, multi_class="ovr", average="macro")
    assert auc(outputs, targets) == pytest.approx(expected)


def test_classes_that_do_not_occur_do_not_count() -> None:
    outputs, targets = drawn(3, 0)
    few = targets < 2
    assert balanced_accuracy(outputs[few], targets[few]) == pytest.approx(
        sum(
            float((outputs[few].argmax(1) == targets[few])[targets[few] == c].float().mean())
            for c in (0, 1)
        )
        / 2
    )
    assert auc(outputs[few], targets[few]) is not None


def test_auc_of_a_single_class_is_not_defined() -> None:
    assert auc(torch.randn(5, 2), torch.ones(5, dtype=torch.long)) is None
