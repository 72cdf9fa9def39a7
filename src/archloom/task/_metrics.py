"""Metrics of a classifier's outputs, from logits and class indices, without scikit-learn.

Each is tested against scikit-learn; importing it in every worker would cost a second.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Give the share of samples whose largest output is the target.

    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    0.5
    """
    return float((outputs.argmax(1) == targets).double().mean())


def balanced_accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Give the mean recall over the classes that occur in the targets.

    >>> balanced_accuracy(torch.tensor([[2.0, 1.0]] * 4), torch.tensor([0, 0, 0, 1]))
    0.5
    """
    table = confusion_matrix(outputs, targets).double()
    totals = table.sum(1)
    return float((table.diagonal() / totals)[totals > 0].mean())


def auc(outputs: Tensor, targets: Tensor) -> float | None:
    """Give the area under the ROC curve: for two classes of the second, else one against the rest.

    With several classes it is the plain mean over the classes that occur, as MedMNIST counts it.
    None when the targets hold a single class, for which it is not defined.

    >>> auc(torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), torch.tensor([0, 1, 1]))
    1.0
    """
    scores = outputs.double().softmax(1)
    columns = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    areas = [
        area_under_roc(scores[:, column].contiguous(), targets == column) for column in columns
    ]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if known else None


def f1(outputs: Tensor, targets: Tensor) -> float | None:
    """Give the F1 score: for two classes of the second, else the mean over the classes.

    A class that neither occurs nor is predicted does not count; None when none counts.

    >>> f1(torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), torch.tensor([0, 1, 1]))
    0.6666666666666666
    """
    table = confusion_matrix(outputs, targets).double()
    both = table.sum(0) + table.sum(1)
    scores = 2 * table.diagonal() / both
    if len(table) == 2:
        return float(scores[1]) if both[1] > 0 else None
    return float(scores[both > 0].mean())


def log_loss(outputs: Tensor, targets: Tensor) -> float:
    """Give the mean negative logarithm of the probability of the target class, unweighted.

    >>> round(log_loss(torch.zeros(3, 4), torch.tensor([0, 1, 2])), 4)
    1.3863
    """
    return float(functional.cross_entropy(outputs.double(), targets))


def calibration_error(outputs: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Give the expected calibration error (Guo et al. 2017) of the predicted class.

    Samples are put into bins of equal width by the probability of their predicted class; the
    error is the mean distance of a bin's accuracy from its mean probability, weighted by size.

    >>> calibration_error(torch.tensor([[0.0, 0.0]] * 2), torch.tensor([0, 1]))
    0.0
    """
    confidence, predicted = outputs.double().softmax(1).max(1)
    right = (predicted == targets).double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = confidence.new_zeros(bins).index_add_(0, place, right - confidence)
    return float(gaps.abs().sum() / len(targets))


def quadratic_kappa(outputs: Tensor, targets: Tensor) -> float | None:
    """Give Cohen's kappa with quadratic weights, for classes that are grades in order.

    None where all targets and predictions are of one class.

    >>> quadratic_kappa(torch.eye(3), torch.tensor([0, 1, 2]))
    1.0
    """
    table = confusion_matrix(outputs, targets).double()
    grade = torch.arange(len(table), dtype=torch.double, device=table.device)
    weight = (grade[:, None] - grade[None, :]) ** 2
    by_chance = torch.outer(table.sum(1), table.sum(0)) / table.sum()
    expected = float((weight * by_chance).sum())
    return 1.0 - float((weight * table).sum()) / expected if expected else None


def confusion_matrix(outputs: Tensor, targets: Tensor) -> Tensor:
    """Count samples: row = target, column = predicted class; int64, (classes, classes).

    >>> confusion_matrix(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).tolist()
    [[1, 1], [0, 0]]
    """
    classes = outputs.shape[1]
    cells = targets * classes + outputs.argmax(1)
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def area_under_roc(scores: Tensor, positive: Tensor) -> float | None:
    """Mann-Whitney: the chance that a positive sample scores higher, ties counted half."""
    count = int(positive.sum())
    rest = len(positive) - count
    if not count or not rest:
        return None
    ordered = scores.sort().values
    below = torch.searchsorted(ordered, scores)
    up_to = torch.searchsorted(ordered, scores, right=True)
    ranks = (below + up_to + 1).double() / 2
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))
