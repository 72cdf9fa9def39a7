"""Change rows of tables and of tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from archloom.train._draws import Draws

UNKNOWN = 1
"""The token number that stands for any word; 0 is filling and is never touched."""

# at full strength
_NOISE = 0.3  # standard deviations of the column
_DROP = 0.3  # chance of a column, of a token


def changed_table(rows: Tensor, draws: Draws) -> Tensor:
    """Give normalised rows (N, F) with noise, and with some values replaced by the mean."""
    if "feature_noise" in draws.ops:
        noise = draws.normal(rows.shape[1]) * (_NOISE * draws.strength)
        rows = rows + noise.to(rows.device, rows.dtype)
    if "feature_drop" in draws.ops:
        rows = rows.masked_fill(_dropped(rows, draws), 0.0)
    return rows


def changed_text(tokens: Tensor, draws: Draws) -> Tensor:
    """Give token numbers (N, L), some of them replaced by the unknown word."""
    if "token_drop" not in draws.ops:
        return tokens
    return tokens.masked_fill(_dropped(tokens, draws) & (tokens != 0), UNKNOWN)


def _dropped(rows: Tensor, draws: Draws) -> Tensor:
    keys = torch.rand(rows.shape, generator=draws.generator)
    return (keys < _DROP * draws.strength).to(rows.device)
