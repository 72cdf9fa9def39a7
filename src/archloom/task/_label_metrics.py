"""Metrics of multi-label outputs: logits and 0/1 targets, both of shape (n, labels)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archloom.task._metrics import area_under_roc


def label_auc(outputs: Tensor, targets: Tensor) -> float | None:
    """Give the mean area under the ROC curve over the labels that have both values.

    >>> label_auc(torch.tensor([[2.0, 0.0], [-1.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    1.0
    """
    return _mean(areas(outputs, targets))


def label_average_precision(outputs: Tensor, targets: Tensor) -> float | None:
    """Give the mean average precision over the labels that have both values.

    >>> scores, truth = torch.tensor([[3.0], [2.0], [1.0]]), torch.tensor([[1.0], [0.0], [1.0]])
    >>> round(label_average_precision(scores, truth), 4)
    0.8333
    """
    return _mean(precisions(outputs, targets))


def label_accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Give the share of all labels of all samples that a probability above 0.5 gets right.

    >>> label_accuracy(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
    0.5
    """
    return float(((outputs > 0) == (targets > 0.5)).double().mean())


def label_f1(outputs: Tensor, targets: Tensor) -> float | None:
    """Give the mean F1 score over the labels that occur or are predicted, None without any.

    >>> label_f1(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
    0.5
    """
    guess, truth = outputs > 0, targets > 0.5
    both = (guess.sum(0) + truth.sum(0)).double()
    scores = 2 * (guess & truth).sum(0) / both
    return float(scores[both > 0].mean()) if bool((both > 0).any()) else None


def areas(outputs: Tensor, targets: Tensor) -> list[float | None]:
    """Give the area under the ROC curve of each label, None where it has one value only."""
    scores = outputs.double()
    return [
        area_under_roc(scores[:, column].contiguous(), targets[:, column] > 0.5)
        for column in range(scores.shape[1])
    ]


def precisions(outputs: Tensor, targets: Tensor) -> list[float | None]:
    """Give the average precision of each label, None where it has one value only."""
    return [
        _precision(outputs[:, column].double(), targets[:, column] > 0.5)
        for column in range(outputs.shape[1])
    ]


def _precision(scores: Tensor, positive: Tensor) -> float | None:
    """The precision at each recall, weighted by the step in recall; ties are one threshold."""
    count = int(positive.sum())
    if not count or count == len(positive):
        return None
    ordered, order = scores.sort(descending=True)
    hits = positive[order].double().cumsum(0)
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    places = last.nonzero().flatten()
    found = hits[places]
    steps = torch.diff(found, prepend=found.new_zeros(1)) / count
    return float((steps * found / (places + 1)).sum())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
