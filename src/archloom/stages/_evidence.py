"""What a test result rests on: counts and pairs that the report draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archloom.task import Classes, Labels, Mixed, Numbers, Target, confusion_matrix

_MOST = 1000
_DIGITS = 6


def evidence(target: Target, outputs: Any, targets: Tensor) -> dict[str, Any]:
    """Give more than metrics of outputs on test data, as JSON can hold it; by the target's kind.

    - classes: `confusion`, rows are true classes, and `classes`, their names.
    - labels: `labels`, and `counts` for each: true and false positives, false and true negatives.
    - numbers: `columns`, and `pairs` for each: predicted and true values of up to 1,000 samples.
    - mixed: `parts`, the same for each part.

    With several labels or numbers also `details`, their metrics one by one.

    >>> evidence(Classes(("cat", "dog")), torch.eye(2), torch.tensor([0, 1]))
    {'confusion': [[1, 0], [0, 1]], 'classes': ['cat', 'dog']}
    """
    shape = (len(targets), target.outputs)
    if not isinstance(outputs, Tensor) or outputs.shape != shape:
        return {}  # a loss of one's own takes outputs that nobody else can read
    found = _by_kind(target, outputs, targets)
    details = target.detail(outputs, targets)
    return {**found, "details": details} if details else found


def _by_kind(target: Target, outputs: Tensor, targets: Tensor) -> dict[str, Any]:
    match target:
        case Classes():
            table = confusion_matrix(outputs, targets).tolist()
            return {"confusion": table, "classes": list(target.names)}
        case Labels():
            return {"labels": list(target.names), "counts": _counts(outputs > 0, targets > 0.5)}
        case Numbers():
            values = target.finish(outputs)
            return {"columns": list(target.names), "pairs": _pairs(values, targets)}
        case Mixed():
            parts, wanted = target.split(outputs), target.split_targets(targets)
            return {
                "parts": {
                    name: _by_kind(part, parts[name], wanted[name])
                    for name, part in target.parts.items()
                }
            }
    return {}


def _counts(guess: Tensor, truth: Tensor) -> list[list[int]]:
    cells = (guess & truth, guess & ~truth, ~guess & truth, ~guess & ~truth)
    table: list[list[int]] = torch.stack([cell.sum(0) for cell in cells], 1).tolist()
    return table


def _pairs(values: Tensor, targets: Tensor) -> list[list[list[float]]]:
    """Predicted and true values of each column, of evenly spaced samples where there are many."""
    step = -(-len(values) // _MOST)
    chosen = torch.stack([values[::step].double(), targets[::step].double()])
    return [
        [[float(f"{value:.{_DIGITS}g}") for value in row] for row in column]
        for column in chosen.permute(2, 0, 1).tolist()
    ]
