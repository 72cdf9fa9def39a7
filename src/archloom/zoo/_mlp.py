"""Multi-layer perceptrons for tables, signals and small images."""

from __future__ import annotations

import math

from torch import nn

from archloom.nn import Pick, model_space

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


@model_space(name="archloom.zoo:mlp")
def mlp(pick: Pick, shape: tuple[int, ...] = (1, 28, 28), classes: int = 10) -> nn.Sequential:
    """Give a perceptron of one to four hidden layers; inputs of any shape are flattened.

    Each layer has a width of its own; activation, normalisation and dropout are the same in all.

    >>> from archloom.zoo import mlp
    >>> iris = mlp(shape=(4,), classes=3)
    >>> iris.build(iris.space.default())[-1]
    Linear(in_features=32, out_features=3, bias=True)
    """
    activation = pick.value("activation", list(_ACTIVATIONS))
    norm = pick.value("norm", ["none", "batch", "layer"])
    dropout = pick.value("dropout", [0.0, 0.1, 0.3, 0.5])
    width = math.prod(shape)

    def hidden(pick: Pick) -> nn.Module:
        nonlocal width
        before, width = width, pick.value("width", [32, 64, 128, 256, 512])
        layers: list[nn.Module] = [nn.Linear(before, width, bias=norm != "batch")]
        if norm != "none":
            layers.append(nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width))
        layers.append(_ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        return nn.Sequential(*layers)

    body = pick.repeat("layers", hidden, 1, 4)
    return nn.Sequential(nn.Flatten(), body, nn.Linear(width, classes))
