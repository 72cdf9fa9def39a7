"""A model of any inputs, with its normalisation in front and natural units behind."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

Scale = tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]


def self_contained(
    model: nn.Module,
    inputs: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
    normalise: Any = None,
    scale: Scale | None = None,
) -> GraphModule:
    """Give a module of the model's inputs as they are in the data; it needs only torch to load.

    Args:
        model: takes one tensor, several by position, or several by name; used as it is.
        inputs: a batch in that form; only ranks, positions and names count.
        normalise: mean and deviation of each channel (dimension 1), in the form of the inputs;
            None for what the model takes as it is.
        scale: factor and shift of each column of the model's output.

    >>> doubled = self_contained(nn.Identity(), torch.zeros(1, 1), ([1.0], [2.0]), ([2.0], [5.0]))
    >>> doubled(torch.tensor([[3.0]]))
    tensor([[7.]])
    """
    graph, parts = Graph(), nn.Module()
    parts.model = model

    def constant(name: str, numbers: Any, dims: int) -> Node:
        column = torch.as_tensor(numbers, dtype=torch.float32).detach().cpu().reshape(-1)
        parts.register_buffer(name, column.reshape(1, -1, *[1] * (dims - 2)))
        return graph.get_attr(name)

    def prepared(x: Node, dims: int, norm: Any) -> Node:
        if norm is None:
            return x
        mean, std = (
            constant(f"{x.name}_mean", norm[0], dims),
            constant(f"{x.name}_std", norm[1], dims),
        )
        return graph.call_function(
            operator.truediv, (graph.call_function(operator.sub, (x, mean)), std)
        )

    members = _members(inputs, normalise)
    entries = [graph.placeholder(name) for name, _, _ in members]  # all before the first step
    ready = [
        prepared(entry, dims, norm) for entry, (_, dims, norm) in zip(entries, members, strict=True)
    ]
    named = isinstance(inputs, Mapping)
    kwargs: dict[str, Any] = (
        {name: x for x, (name, _, _) in zip(ready, members, strict=True)} if named else {}
    )
    found = graph.call_module("model", () if named else tuple(ready), kwargs)
    if scale is not None:
        factor, shift = (
            constant("output_factor", scale[0], 2),
            constant("output_shift", scale[1], 2),
        )
        found = graph.call_function(
            operator.add, (graph.call_function(operator.mul, (found, factor)), shift)
        )
    graph.output(found)
    return GraphModule(parts, graph, "SelfContained").train(model.training)


def _members(inputs: Any, normalise: Any) -> list[tuple[str, int, Any]]:
    """Give name, number of dimensions and normalisation of each input."""
    if isinstance(inputs, Tensor):
        return [("x", inputs.ndim, normalise)]
    if isinstance(inputs, Mapping):
        norms = normalise or dict.fromkeys(inputs)
        return [(name, tensor.ndim, norms[name]) for name, tensor in inputs.items()]
    norms = normalise or [None] * len(inputs)
    return [(f"x{i}", tensor.ndim, norms[i]) for i, tensor in enumerate(inputs)]
