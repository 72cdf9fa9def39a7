"""A transformer layer of plain operations, with or without a mask."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional

from archloom.nn import wired


def transformer(width: int, heads: int, dropout: float, *, masked: bool = False) -> nn.Module:
    """Give a layer of self-attention (arXiv:1706.03762), normalised first (arXiv:2002.04745).

    (n, length, width) -> the same. Masked ones take a second input (n, length), 1 where there is
    something to attend to and 0 elsewhere; samples with nothing at all give numbers, not NaN.
    """

    def forward(self: Any, x: Any, mask: Any = None) -> Any:
        three = self.three(self.norm(x)).unflatten(2, (3, heads, width // heads))
        queries, keys, values = (three[:, :, part].transpose(1, 2) for part in range(3))
        hidden = None if mask is None else ((mask - 1) * 1e4)[:, None, None, :].type_as(queries)
        seen = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=hidden)
        x = x + self.drop(self.out(seen.transpose(1, 2).flatten(2)))
        return x + self.drop(self.feed(x))

    feed = nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 2 * width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(2 * width, width),
    )
    parts = {
        "norm": nn.LayerNorm(width),
        "three": nn.Linear(width, 3 * width),
        "out": nn.Linear(width, width),
        "drop": nn.Dropout(dropout),
        "feed": feed,
    }
    return wired(forward, parts, ("x", "mask") if masked else ("x",), "Transformer")
