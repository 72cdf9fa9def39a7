"""Bodies of networks for series, and what may come after them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from archloom.nn import concat, residual, wired
from archloom.zoo._attention import transformer

Activation = Callable[[], nn.Module]


def conv(
    before: int, after: int, kernel: int, dilation: int = 1, last: Activation | None = None
) -> nn.Sequential:
    """Give a convolution that keeps the length, with batch normalisation."""
    layers: list[nn.Module] = [
        nn.Conv1d(
            before,
            after,
            kernel,
            padding=kernel // 2 * dilation,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm1d(after),
    ]
    return nn.Sequential(*layers, *([last()] if last else []))


def _shortcut(before: int, after: int) -> nn.Module:
    return nn.BatchNorm1d(after) if before == after else conv(before, after, 1)


def resnet(before: int, after: int, kernels: tuple[int, ...], activation: Activation) -> nn.Module:
    """Give the residual block of Wang et al. 2017 (arXiv:1611.06455), of one layer a kernel."""
    layers = [
        conv(after if number else before, after, kernel, last=activation)
        for number, kernel in enumerate(kernels)
    ]
    del layers[-1][-1]
    return nn.Sequential(residual(nn.Sequential(*layers), _shortcut(before, after)), activation())


def inception(
    before: int, filters: int, longest: int, modules: int, activation: Activation
) -> nn.Module:
    """Give modules of InceptionTime (arXiv:1909.04939) in a row, with a residual connection."""
    after = 4 * filters
    layers = [
        _inception(after if number else before, filters, longest) for number in range(modules)
    ]
    for layer in layers[:-1]:
        layer.append(activation())
    return nn.Sequential(residual(nn.Sequential(*layers), _shortcut(before, after)), activation())


def _inception(before: int, filters: int, longest: int) -> nn.Sequential:
    inner = filters if before > 1 else 1
    squeeze = nn.Conv1d(before, filters, 1, bias=False) if before > 1 else nn.Identity()
    kernels = (longest, longest // 2 | 1, longest // 4 | 1)
    convs = concat(*(nn.Conv1d(inner, filters, k, padding=k // 2, bias=False) for k in kernels))
    pooled = nn.Sequential(nn.MaxPool1d(3, 1, padding=1), nn.Conv1d(before, filters, 1, bias=False))
    branches = concat(nn.Sequential(squeeze, convs), pooled)
    return nn.Sequential(branches, nn.BatchNorm1d(4 * filters))


def dilated(
    before: int, after: int, kernel: int, dilation: int, dropout: float, activation: Activation
) -> nn.Module:
    """Give the dilated block of a TCN (arXiv:1803.01271), which looks both ways."""
    first = conv(before, after, kernel, dilation, last=activation)
    second = conv(after, after, kernel, dilation)
    shortcut = None if before == after else conv(before, after, 1)
    body = nn.Sequential(first, nn.Dropout(dropout), second)
    return nn.Sequential(residual(body, shortcut), activation())


def recurrent(before: int, hidden: int) -> nn.Module:
    """Give a recurrent layer that reads both ways: (n, before, length) -> (n, 2 hidden, length)."""
    gru = nn.GRU(before, hidden, batch_first=True, bidirectional=True)
    return wired(
        lambda self, x: self.gru(x.transpose(1, 2))[0].transpose(1, 2), {"gru": gru}, name="GRU"
    )


def attention(width: int, heads: int, dropout: float) -> nn.Module:
    """Give a transformer layer (arXiv:1706.03762): (n, width, length) -> the same."""
    return wired(
        lambda self, x: self.layer(x.transpose(1, 2)).transpose(1, 2),
        {"layer": transformer(width, heads, dropout)},
        name="Attention",
    )


def attention_pool(channels: int) -> nn.Module:
    """Give the mean over time, weighted by what is seen: (n, channels, length) -> (n, channels)."""
    return wired(
        lambda self, x: (x * torch.softmax(self.score(x), 2)).sum(2),
        {"score": nn.Conv1d(channels, 1, 1)},
        name="AttentionPool",
    )
