"""Networks for several inputs of mixed kinds."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from archloom.errors import ConfigError, did_you_mean
from archloom.nn import ModelSpace, Pick, model_space, wired
from archloom.zoo._convnet import convnet
from archloom.zoo._series_net import series_net
from archloom.zoo._table_net import table_net
from archloom.zoo._text_net import text_net

_BRANCHES: Final[Mapping[str, ModelSpace]] = {
    "image": convnet,
    "volume": convnet,
    "series": series_net,
    "table": table_net,
    "categories": table_net,
    "text": text_net,
}
_BY_AXES: Final = {1: "table", 2: "series", 3: "image", 4: "volume"}
_SHAPE: Final = {"image": (1, 28, 28), "table": (8,)}
_OWN: Final = ("width", "fusion", "hidden", "dropout")


@model_space(name="archloom.zoo:mixed_net")
def mixed_net(
    pick: Pick,
    shape: Any = None,
    classes: int = 2,
    kinds: Any = None,
    vocabulary: Any = None,
    cardinalities: Any = None,
) -> nn.Module:
    """Give a branch for each input, of the space for its kind, and a perceptron for all of them.

    A branch's choices have the input's name before them. What the branches give is concatenated,
    or summed by weights that depend on all of it (gated, after arXiv:1702.01992). The model is
    called with a tensor for each name.

    Args:
        pick: answers the choices.
        shape: of each input by its name; a list of shapes gives inputs called by position.
        classes: how many numbers to give a sample.
        kinds: of each input, in the form of `shape`: `image`, `volume`, `series`, `table`, `text`
            or `categories` (columns of whole numbers). Without them the axes tell: those of one
            axis are tables.
        vocabulary: how many token numbers text has; in the form of `shape`, or one for all.
        cardinalities: how many categories each column has, by the input's name, or the list itself
            where there is one such input.

    >>> import torch
    >>> from archloom.zoo import mixed_net
    >>> space = mixed_net(shape={"photo": (3, 16, 16), "facts": (5,)}, classes=4)
    >>> model = space.build(space.space.default())
    >>> model(photo=torch.zeros(2, 3, 16, 16), facts=torch.zeros(2, 5)).shape
    torch.Size([2, 4])
    """
    shapes = _by_name(_SHAPE if shape is None else shape)
    _check_names(shapes)
    width = pick.value("width", [64, 32, 128])
    parts: dict[str, nn.Module] = {}
    for name, one in shapes.items():
        kind = _kind(name, one, _by_name(kinds or {}).get(name))
        settings = {"classes": width, **_settings(name, kind, one, vocabulary, cardinalities)}
        parts[f"branch_{name}"] = _BRANCHES[kind](pick.at(name), **settings)
    gated = len(shapes) > 1 and pick.value("fusion", ["concatenated", "gated"]) == "gated"
    every = width * len(shapes)
    if gated:
        parts["gate"] = nn.Sequential(nn.Linear(every, len(shapes)), nn.Softmax(1))
    hidden = pick.value("hidden", [128, 64, 256])
    dropout = pick.value("dropout", [0.2, 0.0, 0.5])
    before = nn.Linear(width if gated else every, hidden)
    parts["head"] = nn.Sequential(
        nn.ReLU(), before, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
    )

    def forward(self: Any, *inputs: Any) -> Any:
        found = [getattr(self, f"branch_{name}")(x) for name, x in zip(shapes, inputs, strict=True)]
        joined = torch.cat(found, 1)
        if gated:
            joined = (torch.stack(found, 1) * self.gate(joined).unsqueeze(2)).sum(1)
        return self.head(joined)

    return wired(forward, parts, tuple(shapes), "Mixed")


def _by_name(tree: Any) -> dict[str, Any]:
    """Give what a dict or a list holds, by name; members of a list are called by their place."""
    if isinstance(tree, Mapping):
        return dict(tree)
    nested = isinstance(tree, list | tuple) and not any(isinstance(one, int) for one in tree)
    return {f"input{place}": one for place, one in enumerate(tree)} if nested else {"input0": tree}


def _check_names(shapes: Mapping[str, Any]) -> None:
    for name, one in shapes.items():
        plain = name.isidentifier() and not keyword.iskeyword(name)
        if not plain or name in (*_OWN, "self"):
            raise ConfigError(
                f"mixed_net calls its model with inputs by name, so a name must be one for a "
                f"Python argument, but none of {', '.join(_OWN)}; got {name!r}."
            )
        if not isinstance(one, list | tuple) or not one or len(one) not in _BY_AXES:
            raise ConfigError(
                f"mixed_net needs a shape of one to four sizes for each input, got {one!r} for "
                f"{name!r}."
            )


def _kind(name: str, shape: Any, given: str | None) -> str:
    kind = given or _BY_AXES[len(shape)]
    if kind not in _BRANCHES:
        raise ConfigError(
            f"mixed_net has no branch for {name!r} of kind {kind!r}: "
            f"{did_you_mean(kind, _BRANCHES)}."
        )
    return kind


def _settings(
    name: str, kind: str, shape: Any, vocabulary: Any, cardinalities: Any
) -> dict[str, Any]:
    if kind == "text":
        return {"shape": shape, "vocabulary": _known("vocabulary", name, vocabulary)}
    if kind == "categories":
        counts = _known("cardinalities", name, cardinalities)
        return {"shape": {"categories": shape}, "cardinalities": counts}
    return {"shape": shape}


def _known(setting: str, name: str, given: Any) -> Any:
    """Give what was set for an input: by its name, by its place, or for all."""
    if isinstance(given, list | tuple) and any(not isinstance(one, int) for one in given):
        given = _by_name(given)
    found = given.get(name) if isinstance(given, Mapping) else given
    if not found:
        raise ConfigError(
            f"mixed_net needs {setting} for {name!r}: {setting}={{{name!r}: ...}}, got {given!r}."
        )
    return found
