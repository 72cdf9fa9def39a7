"""Products of matrices for lanes that lie side by side.

A `wide` map is (samples, height, width, lanes * channels). Each lane is multiplied by a matrix of
its own; lanes of few channels together, by a block diagonal matrix: multiplications by zero cost
less than products of narrow matrices.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

_NARROW: Final = 32  # channels of all lanes together, up to which a CPU is faster so
_PARTS: Final = 32  # of the rows that a product sums over


def transformed(wide: Tensor, matrices: Tensor, bias: Tensor | None = None) -> Tensor:
    """Give lane @ matrix, plus bias, for each lane, side by side.

    Args:
        wide: (samples, height, width, lanes * channels).
        matrices: (lanes, channels, new channels).
        bias: (lanes, new channels).
    """
    lanes, _, channels = matrices.shape
    result = wide.new_empty(*wide.shape[:3], lanes * channels)
    if lanes == 1 or _together(wide):
        flat, out = wide.view(-1, wide.shape[3]), result.view(-1, lanes * channels)
        matrix = matrices[0] if lanes == 1 else _diagonal(matrices)
        if bias is None:
            torch.mm(flat, matrix, out=out)
        else:
            torch.addmm(bias.reshape(-1), flat, matrix, out=out)
    elif bias is None:
        torch.bmm(_apart(wide, lanes), matrices, out=_apart(result, lanes))
    else:
        torch.baddbmm(bias.unsqueeze(1), _apart(wide, lanes), matrices, out=_apart(result, lanes))
    return result


def transformed_onto(result: Tensor, wide: Tensor, matrices: Tensor) -> None:
    """Add lane @ matrix to each lane of `result`."""
    lanes = len(matrices)
    if lanes == 1 or _together(wide):
        matrix = matrices[0] if lanes == 1 else _diagonal(matrices)
        result.view(-1, result.shape[3]).addmm_(wide.view(-1, wide.shape[3]), matrix)
    else:
        _apart(result, lanes).baddbmm_(_apart(wide, lanes), matrices)


def inner(first: Tensor, second: Tensor, lanes: int) -> Tensor:
    """Give lane.T @ lane for the lanes of two wide maps: (lanes, channels, other channels)."""
    if lanes > 1 and not _together(second):
        return torch.bmm(_apart(first, lanes).transpose(1, 2), _apart(second, lanes))
    product = inner_product(first.view(-1, first.shape[3]), second.view(-1, second.shape[3]))
    if lanes == 1:
        return product.unsqueeze(0)
    blocks = product.view(lanes, first.shape[3] // lanes, lanes, second.shape[3] // lanes)
    return blocks.diagonal(dim1=0, dim2=2).permute(2, 0, 1)


def inner_product(first: Tensor, second: Tensor) -> Tensor:
    """Give first.T @ second for two matrices of many rows, summed up in parts.

    For few columns, CPUs add up all rows one by one, which costs a digit and a half; in parts the
    variances that come of it are as good as those of batch norm.
    """
    parts = math.gcd(len(first), _PARTS)
    if parts == 1:
        return torch.mm(first.t(), second)
    rows = len(first) // parts
    one, other = (x.view(parts, rows, x.shape[1]) for x in (first, second))
    return torch.bmm(one.transpose(1, 2), other).sum(0)


def _apart(wide: Tensor, lanes: int) -> Tensor:
    """Give the lanes as (lanes, pixels, channels), without a copy."""
    return wide.view(-1, lanes, wide.shape[3] // lanes).transpose(0, 1)


def _together(wide: Tensor) -> bool:
    return wide.device.type == "cpu" and wide.shape[3] <= _NARROW


def _diagonal(matrices: Tensor) -> Tensor:
    lanes, rows, columns = matrices.shape
    blocks = matrices.new_zeros(lanes, rows, lanes, columns)
    blocks.diagonal(dim1=0, dim2=2).copy_(matrices.permute(1, 2, 0))
    return blocks.view(lanes * rows, lanes * columns)
