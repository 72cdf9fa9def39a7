"""Networks for series of one or more channels, such as signals and light curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, final

import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.nn import Pick, concat, model_space, wired
from archloom.zoo import _series_parts as parts
from archloom.zoo._dims import ACTIVATIONS, initialised

_LONGEST: Final = 256
_LONGEST_CONTEXT: Final = 64


@model_space(name="archloom.zoo:series_net")
def series_net(pick: Pick, shape: Any = (1, 128), classes: int = 2) -> nn.Module:
    """Give a convolutional body, perhaps a layer that sees the whole series, and a pooling.

    The body is residual (Wang et al. 2017, arXiv:1611.06455), of inception modules
    (InceptionTime, arXiv:1909.04939) or of dilated convolutions (TCN, arXiv:1803.01271, here
    looking both ways). Both published networks for series are in it: the residual one with
    width 64 and kernels 7, 5, 3, and InceptionTime with 32 filters, kernels up to 39 and two
    blocks of three modules. A recurrent layer that reads both ways or one of self-attention
    (arXiv:1706.03762) may follow, on at most 64 steps. Series of more than 256 steps are shortened
    by a first convolution.

    Args:
        pick: answers the choices.
        shape: (channels, length). Or `{"series": (channels, length), "static": (features,)}`
            where numbers that do not change with time come along; the model is then called as
            `model(series=..., static=...)`.
        classes: how many numbers to give a sample.

    >>> import torch
    >>> from archloom.zoo import series_net
    >>> space = series_net(shape={"series": (4, 300), "static": (2,)}, classes=3)
    >>> model = space.build(space.space.default())
    >>> model(series=torch.zeros(2, 4, 300), static=torch.zeros(2, 2)).shape
    torch.Size([2, 3])
    """
    channels, length, static = _checked(shape)
    body = _Body(pick, channels, length)
    layers = [*body.stem(), body.blocks(), body.context()]
    pooling = pick.value("pooling", ["average", "maximum", "average+maximum", "attention"])
    layers.append(_pooling(pooling, body.width))
    features = body.width * (2 if pooling == "average+maximum" else 1)
    encoder = nn.Sequential(*layers)
    initialised(encoder)
    if not static:
        return encoder.extend([nn.Dropout(body.dropout), nn.Linear(features, classes)])
    hidden = pick.value("static", [32, 64])
    aside = nn.Sequential(nn.Linear(static, hidden), nn.BatchNorm1d(hidden), nn.ReLU())
    head = nn.Sequential(nn.Dropout(body.dropout), nn.Linear(features + hidden, classes))
    return wired(
        lambda self, series, static: self.head(
            torch.cat([self.encoder(series), self.aside(static)], 1)
        ),
        {"encoder": encoder, "aside": aside, "head": head},
        ("series", "static"),
        "SeriesAndStatic",
    )


def _checked(shape: Any) -> tuple[int, int, int]:
    """Give channels, length and how many numbers come along."""
    series, static = shape, (0,)
    if isinstance(shape, Mapping) and shape.keys() == {"series", "static"}:
        series, static = shape["series"], shape["static"]
    if isinstance(series, Mapping) or len(series) != 2 or len(static) != 1 or min(series) < 1:
        raise ConfigError(
            f"series_net needs series of shape (channels, length), or {{'series': (channels, "
            f"length), 'static': (features,)}}, got {shape}. For images take convnet, for tables "
            f"table_net, for other mixtures mixed_net."
        )
    return series[0], series[1], static[0]


@final
class _Body:
    """Builds what comes before the pooling, keeping track of width and length."""

    def __init__(self, pick: Pick, channels: int, length: int) -> None:
        self._pick = pick
        self.width = channels
        self.length = length
        self._activation = ACTIVATIONS[pick.value("activation", ["relu", "silu"])]
        self.dropout: float = pick.value("dropout", [0.1, 0.0, 0.3, 0.5])
        self._shrinks = length >= 16 and pick.value("shrink", [True, False])

    def stem(self) -> list[nn.Module]:
        """Give what shortens a long series."""
        if self.length <= _LONGEST:
            return []
        step = -(-self.length // _LONGEST)
        channels, self.width = self.width, self._pick.value("stem", [16, 32])
        self.length = (self.length - 1) // step + 1
        conv = nn.Conv1d(channels, self.width, 2 * step + 1, step, step, bias=False)
        return [conv, nn.BatchNorm1d(self.width), self._activation()]

    def blocks(self) -> nn.Module:
        """Give the convolutional part."""
        start = self.width, self.length
        kinds = {"residual": self._residual, "inception": self._inception, "dilated": self._dilated}

        def begun(make: Callable[[Pick], nn.Module], pick: Pick) -> nn.Module:
            self.width, self.length = start
            return make(pick)

        options = {name: partial(begun, make) for name, make in kinds.items()}
        return self._pick.layer("body", options, same_shape=False)

    def _residual(self, pick: Pick) -> nn.Module:
        width = pick.value("width", [32, 16, 64])
        kernels = pick.value("kernels", [(7, 5, 3), (15, 9, 5), (3, 3)])

        def block(pick: Pick, index: int) -> nn.Module:
            after = width * (2 if index else 1)
            return self._block(index, after, parts.resnet, after, kernels)

        return pick.repeat("blocks", block, 1, 3)

    def _inception(self, pick: Pick) -> nn.Module:
        filters = pick.value("filters", [16, 8, 32])
        longest = pick.value("longest", [19, 9, 39])

        def block(pick: Pick, index: int) -> nn.Module:
            modules = pick.value("modules", [2, 1, 3])
            return self._block(index, 4 * filters, parts.inception, filters, longest, modules)

        return pick.repeat("blocks", block, 1, 2)

    def _dilated(self, pick: Pick) -> nn.Module:
        width = pick.value("width", [32, 16, 64])
        kernel = pick.value("kernel", [3, 5, 7])

        def block(pick: Pick, index: int) -> nn.Module:
            return self._block(index, width, parts.dilated, width, kernel, 2**index, self.dropout)

        return pick.repeat("blocks", block, 2, 6)

    def _block(self, index: int, after: int, make: Any, *settings: Any) -> nn.Module:
        block: nn.Module = make(self.width, *settings, self._activation)
        self.width = after
        if not index or not self._shrinks or self.length < 8:
            return block
        self.length = -(-self.length // 2)
        return nn.Sequential(nn.MaxPool1d(2, ceil_mode=True), block)

    def context(self) -> nn.Module:
        """Give what sees the whole series at once, or nothing."""
        step = -(-self.length // _LONGEST_CONTEXT)
        shorter = [nn.AvgPool1d(step, ceil_mode=True)] if step > 1 else []
        width = self.width

        def recurrent(pick: Pick) -> nn.Module:
            hidden = pick.value("hidden", [32, 64])
            self.width = 2 * hidden
            return nn.Sequential(*shorter, parts.recurrent(width, hidden))

        def attention() -> nn.Module:
            self.width = width
            return nn.Sequential(*shorter, parts.attention(width, 4, self.dropout))

        def none() -> nn.Module:
            self.width = width
            return nn.Identity()

        options: dict[str, Callable[..., nn.Module]] = {
            "none": none,
            "recurrent": recurrent,
            "attention": attention,
        }
        return self._pick.layer("context", options, same_shape=False)


def _pooling(kind: str, channels: int) -> nn.Module:
    average = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    maximum = nn.Sequential(nn.AdaptiveMaxPool1d(1), nn.Flatten())
    match kind:
        case "average":
            return average
        case "maximum":
            return maximum
        case "attention":
            return parts.attention_pool(channels)
    return concat(average, maximum)
