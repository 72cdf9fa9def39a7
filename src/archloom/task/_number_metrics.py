"""Metrics of regression: predicted and true values in one unit, both of shape (n, numbers)."""

from __future__ import annotations

import torch
from torch import Tensor


def mae(values: Tensor, targets: Tensor) -> float:
    """Give the mean absolute error, the mean over the columns.

    >>> mae(torch.tensor([[1.0], [4.0]]), torch.tensor([[1.0], [2.0]]))
    1.0
    """
    return _mean(column_mae(values, targets))


def rmse(values: Tensor, targets: Tensor) -> float:
    """Give the root of the mean squared error, the mean over the columns.

    >>> rmse(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [5.0]]))
    1.4142135623730951
    """
    return _mean(column_rmse(values, targets))


def r2(values: Tensor, targets: Tensor) -> float | None:
    """Give the share of the variance that is explained, the mean over columns that vary.

    1 is perfect, 0 as good as the targets' mean; None where no column varies.

    >>> r2(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [3.0]]))
    1.0
    """
    known = [value for value in column_r2(values, targets) if value is not None]
    return _mean(known) if known else None


def column_mae(values: Tensor, targets: Tensor) -> list[float]:
    """Give the mean absolute error of each column."""
    return _errors(values, targets).abs().mean(0).tolist()


def column_rmse(values: Tensor, targets: Tensor) -> list[float]:
    """Give the root of the mean squared error of each column."""
    return (_errors(values, targets) ** 2).mean(0).sqrt().tolist()


def column_r2(values: Tensor, targets: Tensor) -> list[float | None]:
    """Give R2 of each column, None where the targets do not vary."""
    missed = (_errors(values, targets) ** 2).sum(0)
    wanted = targets.double()
    spread = ((wanted - wanted.mean(0)) ** 2).sum(0)
    constant = (wanted == wanted[:1]).all(0)
    return [
        None if bool(same) else 1.0 - float(one) / float(whole)
        for one, whole, same in zip(missed, spread, constant, strict=True)
    ]


def _errors(values: Tensor, targets: Tensor) -> Tensor:
    if values.shape != targets.shape:  # (n,) and (n, 1) would broadcast to (n, n)
        raise ValueError(
            f"Predicted and true values must be of one shape, got {tuple(values.shape)} and "
            f"{tuple(targets.shape)}."
        )
    return values.double() - targets.double()


def _mean(columns: list[float]) -> float:
    return float(torch.tensor(columns, dtype=torch.double).mean())
