"""Metrics of a classifier's outputs, from logits and class indices, without scikit-learn.

Each is tested against scikit-learn; importing it in every worker would cost a second.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
    areas = [_area(scores[:, column].contiguous(), targets == column) for column in columns]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if known else None


def confusion_matrix(outputs: Tensor, targets: Tensor) -> Tensor:
    """Count samples: row = target, column = predicted class; int64, (classes, classes).

    >>> confusion_matrix(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).tolist()
    [[1, 1], [0, 0]]
    """
    classes = outputs.shape[1]
    cells = targets * classes + outputs.argmax(1)
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def _area(scores: Tensor, positive: Tensor) -> float | None:
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
