"""Networks for tables of numbers and categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import nn

from archloom.errors import ConfigError
from archloom.nn import Pick, model_space, residual, wired
from archloom.zoo import _table_parts as parts

_MOST_EMBEDDED: Final = 128
_WIDTHS: Final = (128, 64, 256, 512)
_DROPOUTS: Final = (0.1, 0.0, 0.3, 0.5)


@model_space(name="archloom.zoo:table_net")
def table_net(
    pick: Pick, shape: Any = (8,), classes: int = 2, cardinalities: Sequence[int] = ()
) -> nn.Module:
    """Give a perceptron, a residual one, or an ensemble of them that shares its weights.

    `mlp` and `resnet` are those of Gorishniy et al. 2021 (arXiv:2106.11959), `ensemble` is TabM
    (arXiv:2410.24210). Numbers go in as they are or embedded: `periodic` or in `pieces` (Gorishniy
    et al. 2022, arXiv:2203.05556); with more than 128 of them always as they are. They should be
    standardised, as tasks do it.

    TabM trains each member by a loss of its own. Here a model gives one output a sample, the mean
    over its members, and the loss is that of the mean; so that members cannot lean on each other,
    that mean is, in training, one over a random half of them, or of a single one (`taught`). On
    small tables a half was as good as TabM's loss, and a single one the strongest regulariser.

    Args:
        pick: answers the choices.
        shape: (features,) where all are numbers. Or `{"numbers": (features,), "categories":
            (columns,)}`, or one of the two; the model is then called as `model(numbers=...,
            categories=...)`, the categories as whole numbers.
        classes: how many numbers to give a sample.
        cardinalities: how many categories each column has; they are numbered from 0.

    >>> import torch
    >>> from archloom.zoo import table_net
    >>> both = table_net(shape={"numbers": (5,), "categories": (2,)}, cardinalities=(3, 7))
    >>> model = both.build(both.space.default())
    >>> model(numbers=torch.zeros(4, 5), categories=torch.ones(4, 2, dtype=torch.int64)).shape
    torch.Size([4, 2])
    """
    features, columns = _checked(shape, cardinalities)
    embedded: dict[str, nn.Module] = {}
    width = 0
    if features:
        embedded["numbers"], width = _numbers(pick, features)
    if columns:
        size = pick.value("category_width", [8, 4, 16])
        embedded["categories"] = parts.categories(cardinalities, size)
        width += columns * size
    bodies = {"mlp": _mlp, "resnet": _resnet, "ensemble": _ensemble}
    body = pick.layer(
        "body",
        {name: partial(make, before=width, outputs=classes) for name, make in bodies.items()},
    )
    if not isinstance(shape, Mapping):
        return nn.Sequential(embedded["numbers"], body)
    return _joined(embedded, body)


def _checked(shape: Any, cardinalities: Sequence[int]) -> tuple[int, int]:
    """Give how many columns hold numbers, and how many categories."""
    shapes = shape if isinstance(shape, Mapping) else {"numbers": shape}
    known = shapes and shapes.keys() <= {"numbers", "categories"}
    if not known or any(len(s) != 1 or s[0] < 1 for s in shapes.values()):
        raise ConfigError(
            f"table_net needs rows of shape (features,), or {{'numbers': (features,), "
            f"'categories': (columns,)}}, got {shape}. For images take convnet, for series "
            f"series_net, for other mixtures mixed_net."
        )
    columns = shapes["categories"][0] if "categories" in shapes else 0
    if len(cardinalities) != columns or (columns and min(cardinalities) < 1):
        raise ConfigError(
            f"table_net needs the number of categories of each of the {columns} columns, at least "
            f"1, got cardinalities={tuple(cardinalities)}."
        )
    return (shapes["numbers"][0] if "numbers" in shapes else 0), columns


def _numbers(pick: Pick, features: int) -> tuple[nn.Module, int]:
    width = features

    def plain() -> nn.Module:
        nonlocal width
        width = features
        return nn.Flatten()

    def periodic(pick: Pick) -> nn.Module:
        nonlocal width
        spread = pick.value("spread", [0.1, 0.01, 0.3, 1.0])
        size = pick.value("width", [8, 16])
        width = features * size
        return parts.periodic(features, pick.value("frequencies", [16, 32]), spread, size)

    def pieces(pick: Pick) -> nn.Module:
        nonlocal width
        size = pick.value("width", [8, 16])
        width = features * size
        return parts.pieces(features, pick.value("bins", [8, 16, 32]), size)

    if features > _MOST_EMBEDDED:
        return nn.Flatten(), features
    options: dict[str, Callable[..., nn.Module]] = {
        "plain": plain,
        "periodic": periodic,
        "pieces": pieces,
    }
    return pick.layer("numbers", options, same_shape=False), width


def _mlp(pick: Pick, before: int, outputs: int) -> nn.Module:
    width, dropout = pick.value("width", _WIDTHS), pick.value("dropout", _DROPOUTS)
    norm = pick.value("norm", ["batch", "none", "layer"])
    norms = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}

    def layer(pick: Pick, index: int) -> nn.Module:
        linear = nn.Linear(width if index else before, width)
        normed = [norms[norm](width)] if norm in norms else []
        return nn.Sequential(linear, *normed, nn.ReLU(), nn.Dropout(dropout))

    return nn.Sequential(pick.repeat("layers", layer, 1, 4), nn.Linear(width, outputs))


def _resnet(pick: Pick, before: int, outputs: int) -> nn.Module:
    width, dropout = pick.value("width", _WIDTHS), pick.value("dropout", _DROPOUTS)
    hidden = width * pick.value("expansion", [1, 2])

    def block() -> nn.Module:
        return residual(
            nn.Sequential(
                nn.BatchNorm1d(width),
                nn.Linear(width, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, width),
            )
        )

    body = pick.repeat("blocks", block, 1, 4)
    head = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outputs))
    return nn.Sequential(nn.Linear(before, width), body, head)


def _ensemble(pick: Pick, before: int, outputs: int) -> nn.Module:
    width, dropout = pick.value("width", _WIDTHS), pick.value("dropout", _DROPOUTS)
    members = pick.value("members", [16, 32])
    taught = pick.value("taught", ["half", "all", "one"])

    def layer(pick: Pick, index: int) -> nn.Module:
        return nn.Sequential(
            parts.shared_linear(width if index else before, width, members, first=not index),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    body = pick.repeat("layers", layer, 1, 4)
    return nn.Sequential(body, parts.heads(width, outputs, members, taught=taught))


def _joined(embedded: Mapping[str, nn.Module], body: nn.Module) -> nn.Module:
    def forward(self: Any, *inputs: Any) -> Any:
        vectors = [getattr(self, name)(x) for name, x in zip(embedded, inputs, strict=True)]
        return self.body(torch.cat(vectors, 1))

    return wired(forward, {**embedded, "body": body}, tuple(embedded), "Table")
