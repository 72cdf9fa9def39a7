"""Readers of token numbers: each gives a vector a text, whatever 0s fill the text up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import nn

from archloom.nn import wired
from archloom.zoo._attention import transformer

_FACTOR: Final = 1_000_003
_MOST_STEPS: Final = 64


def bag(vocabulary: int, width: int, buckets: int) -> nn.Module:
    """Give the mean of the embeddings of tokens, and of pairs of them where there are buckets.

    That is fastText (arXiv:1607.01759), which hashes the pairs as well.
    """
    parts: dict[str, nn.Module] = {"tokens": _embedding(vocabulary, width)}
    if buckets:
        parts["pairs"] = _embedding(buckets + 1, width)

    def forward(self: Any, ids: Any) -> Any:
        total, count = self.tokens(ids).sum(1), _mask(ids).sum(1, keepdim=True)
        if buckets:
            first, second = ids[:, :-1], ids[:, 1:]
            both = torch.ne(first * second, 0)
            total = total + self.pairs(((first * _FACTOR + second) % buckets + 1) * both).sum(1)
            count = count + both.sum(1, keepdim=True)
        return total / count.clamp(min=1)

    return wired(forward, parts, ("ids",), "Bag")


def convolutions(vocabulary: int, width: int, filters: int, kernels: Sequence[int]) -> nn.Module:
    """Give the largest answer over the text of each filter (Kim 2014, arXiv:1408.5882).

    (n, length) -> (n, filters * len(kernels)).
    """
    parts: dict[str, nn.Module] = {"tokens": _embedding(vocabulary, width)}
    for kernel in kernels:
        pad = nn.ConstantPad1d((kernel // 2, (kernel - 1) // 2), 0.0)
        conv = nn.Sequential(pad, nn.Conv1d(width, filters, kernel), nn.ReLU())
        parts[f"conv{kernel}"] = conv

    def forward(self: Any, ids: Any) -> Any:
        words, mask = self.tokens(ids).transpose(1, 2), _mask(ids).unsqueeze(1)
        found = [getattr(self, f"conv{kernel}")(words) * mask for kernel in kernels]
        return torch.cat([torch.amax(one, 2) for one in found], 1)

    return wired(forward, parts, ("ids",), "Convolutions")


def recurrent(vocabulary: int, width: int, hidden: int, length: int) -> nn.Module:
    """Give the means of what two recurrent layers say, one of which reads from the end.

    (n, length) -> (n, 2 * hidden). The 0s must follow the text. Layers take at most 64 steps: of
    longer texts each step is the mean of a few neighbouring tokens.
    """
    step = -(-length // _MOST_STEPS)
    # filled up beforehand, so that the number of 0s at the end changes no mean
    shorter = nn.Sequential(nn.ConstantPad1d((0, step - 1), 0.0), nn.AvgPool1d(step))

    def forward(self: Any, ids: Any) -> Any:
        count = torch.ne(ids, 0).sum(1, keepdim=True)
        place = torch.cumsum(torch.ones_like(ids), 1) - 1
        backwards = ids.gather(1, torch.where(torch.lt(place, count), count - 1 - place, place))
        mask = torch.ne(self.shorter(_mask(ids).unsqueeze(1)).squeeze(1), 0).float()
        ahead, behind = (
            self.shorter(self.tokens(x).transpose(1, 2)).transpose(1, 2) for x in (ids, backwards)
        )
        said = _mean(self.forth(ahead)[0], mask), _mean(self.back(behind)[0], mask)
        return torch.cat(said, 1)

    parts = {
        "tokens": _embedding(vocabulary, width),
        "shorter": shorter,
        "forth": nn.GRU(width, hidden, batch_first=True),
        "back": nn.GRU(width, hidden, batch_first=True),
    }
    return wired(forward, parts, ("ids",), "Recurrent")


def attentive(vocabulary: int, width: int, length: int, layers: int, dropout: float) -> nn.Module:
    """Give the mean over a text of what transformer layers make of it (arXiv:1706.03762)."""
    places = nn.Embedding(length, width)
    nn.init.normal_(places.weight, std=0.02)
    parts: dict[str, nn.Module] = {
        "tokens": _embedding(vocabulary, width),
        "places": places,
        "norm": nn.LayerNorm(width),
        "drop": nn.Dropout(dropout),
    }
    for number in range(layers):
        parts[f"layer{number}"] = transformer(width, 4, dropout, masked=True)

    def forward(self: Any, ids: Any) -> Any:
        mask = _mask(ids)
        place = torch.cumsum(torch.ones_like(ids), 1).clamp(max=length) - 1
        x = self.drop(self.tokens(ids) + self.places(place))
        for number in range(layers):
            x = getattr(self, f"layer{number}")(x, mask)
        return _mean(self.norm(x), mask)

    return wired(forward, parts, ("ids",), "Attentive")


def _embedding(vocabulary: int, width: int) -> nn.Embedding:
    table = nn.Embedding(vocabulary, width, padding_idx=0)
    nn.init.normal_(table.weight, std=width**-0.5)
    nn.init.zeros_(table.weight[0])
    return table


def _mask(ids: Any) -> Any:
    return torch.ne(ids, 0).float()


def _mean(x: Any, mask: Any) -> Any:
    """Give the mean of (n, length, width) where the mask (n, length) is 1."""
    total = (x * mask.unsqueeze(2)).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)
