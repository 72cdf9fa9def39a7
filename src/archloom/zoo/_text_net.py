"""Networks for text as token numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from archloom.errors import ConfigError
from archloom.nn import Pick, model_space
from archloom.zoo import _text_parts as parts


@model_space(name="archloom.zoo:text_net")
def text_net(
    pick: Pick,
    shape: Sequence[int] = (64,),
    classes: int = 2,
    vocabulary: int = 10_000,
    length: int | None = None,
) -> nn.Sequential:
    """Give embedded tokens, one of four readers of them, and a linear layer.

    The readers: `bag`, the mean over tokens, or over tokens and pairs (fastText, arXiv:1607.01759),
    and a hidden layer; `convolutions` (Kim 2014, arXiv:1408.5882); `recurrent`, two GRUs that read
    from either end, in at most 64 steps; `attention`, one or two transformer layers
    (arXiv:1706.03762). Token 0 fills texts up at their end: however many of them follow, the output
    is the same.

    Args:
        pick: answers the choices.
        shape: (length,) of the texts; batches with another length will do as well.
        classes: how many numbers to give a sample.
        vocabulary: how many token numbers there are, 0 included.
        length: replaces the one in `shape`.

    >>> import torch
    >>> from archloom.zoo import text_net
    >>> space = text_net(vocabulary=100, length=12, classes=3)
    >>> space.build(space.space.default())(torch.randint(0, 100, (4, 12))).shape
    torch.Size([4, 3])
    """
    shape = shape if length is None else (length,)
    if len(shape) != 1 or shape[0] < 1 or vocabulary < 2:
        raise ConfigError(
            f"text_net needs texts of shape (length,) with whole numbers below vocabulary (at "
            f"least 2), got shape={tuple(shape)} and vocabulary={vocabulary}."
        )
    reader = _Reader(pick, vocabulary, shape[0])
    options = {
        "bag": reader.bag,
        "convolutions": reader.convolutions,
        "recurrent": reader.recurrent,
        "attention": reader.attention,
    }
    read = pick.layer("reader", options, same_shape=False)
    return nn.Sequential(read, nn.Dropout(reader.dropout), nn.Linear(reader.features, classes))


@final
class _Reader:
    """Makes the readers, and knows how many features the last one gives."""

    def __init__(self, pick: Pick, vocabulary: int, length: int) -> None:
        self.width: int = pick.value("width", [64, 32, 128])
        self.dropout: float = pick.value("dropout", [0.2, 0.0, 0.5])
        self.features = 0
        self._vocabulary = vocabulary
        self._length = length

    def bag(self, pick: Pick) -> nn.Module:
        buckets = pick.value("buckets", [0, 5_000, 50_000])
        self.features = pick.value("hidden", [64, 128])
        return nn.Sequential(
            parts.bag(self._vocabulary, self.width, buckets),
            nn.Dropout(self.dropout),
            nn.Linear(self.width, self.features),
            nn.ReLU(),
        )

    def convolutions(self, pick: Pick) -> nn.Module:
        filters = pick.value("filters", [64, 32, 100])
        kernels = pick.value("kernels", [(3, 4, 5), (1, 2, 3), (3,)])
        self.features = filters * len(kernels)
        return parts.convolutions(self._vocabulary, self.width, filters, kernels)

    def recurrent(self, pick: Pick) -> nn.Module:
        hidden = pick.value("hidden", [64, 32, 128])
        self.features = 2 * hidden
        return parts.recurrent(self._vocabulary, self.width, hidden, self._length)

    def attention(self, pick: Pick) -> nn.Module:
        layers = pick.value("layers", [1, 2])
        self.features = self.width
        return parts.attentive(self._vocabulary, self.width, self._length, layers, self.dropout)
