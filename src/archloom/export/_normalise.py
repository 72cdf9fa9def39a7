"""Normalisation as a part of the model, so that a file takes raw inputs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from archloom.errors import ConfigError

_TINY: Final = 1e-12


def normalised(
    model: nn.Module, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor, dims: int
) -> GraphModule:
    """Give `x -> model((x - mean) / std)`, as a module that needs nothing but torch to load.

    Args:
        model: takes one tensor; used as it is, not copied.
        mean: one number, or one for each channel (dimension 1 of the input).
        std: likewise; a channel that never changes has 0, and is only shifted.
        dims: the number of dimensions of an input with its batch: 4 for images.

    Raises:
        ConfigError: when mean and std differ in length or are not finite.

    >>> raw = normalised(nn.Identity(), [10.0], [2.0], dims=2)
    >>> raw(torch.tensor([[14.0]]))
    tensor([[2.]])
    """
    shift, scale = _column(mean, dims), _column(std, dims)
    if shift.shape != scale.shape or not bool((shift.isfinite() & scale.isfinite()).all()):
        raise ConfigError(
            f"Normalisation needs as many finite means as deviations, got {mean!r} and {std!r}."
        )
    scale = torch.where(scale.abs() < _TINY, torch.ones_like(scale), scale)
    graph = Graph()
    x = graph.placeholder("x")
    centred = graph.call_function(operator.sub, (x, graph.get_attr("mean")))
    scaled = graph.call_function(operator.truediv, (centred, graph.get_attr("std")))
    graph.output(graph.call_module("model", (scaled,)))
    parts = nn.Module()
    parts.model = model
    parts.register_buffer("mean", shift)
    parts.register_buffer("std", scale)
    return GraphModule(parts, graph, "Normalised").train(model.training)


def _column(numbers: Sequence[float] | Tensor, dims: int) -> Tensor:
    column = torch.as_tensor(numbers, dtype=torch.float32).detach().cpu().reshape(-1)
    return column.reshape(1, -1, *[1] * (dims - 2))
