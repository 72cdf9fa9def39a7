"""Several outputs that a model gives side by side in one tensor, as outputs of their own."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from archloom.task import Mixed, Target


def output_columns(outputs: Target | Mapping[str, int] | None) -> dict[str, int]:
    """Give the outputs by name and how many columns each has; nothing where there is only one.

    >>> output_columns({"kind": 3, "age": 1})
    {'kind': 3, 'age': 1}
    """
    if isinstance(outputs, Mixed):
        return {name: part.outputs for name, part in outputs.parts.items()}
    return dict(outputs) if isinstance(outputs, Mapping) else {}


def apart(model: nn.Module, example: Any, columns: Mapping[str, int]) -> GraphModule:
    """Give a module whose outputs are these columns of the model's, in the same order.

    >>> import torch
    >>> split = apart(nn.Identity(), torch.zeros(1, 3), {"kind": 2, "age": 1})
    >>> [tuple(part.shape) for part in split(torch.zeros(5, 3))]
    [(5, 2), (5, 1)]
    """
    graph, root = Graph(), nn.Module()
    root.model = model
    named = isinstance(example, Mapping)
    count = 1 if isinstance(example, Tensor) else len(example)
    names = list(example) if named else ["x"] if count == 1 else [f"x{n}" for n in range(count)]
    entries = {name: graph.placeholder(name) for name in names}
    arguments: tuple[Any, ...] = () if named else tuple(entries.values())
    found = graph.call_module("model", arguments, dict(entries) if named else {})
    parts, start = [], 0
    for width in columns.values():
        place = (slice(None), slice(start, start + width))
        parts.append(graph.call_function(operator.getitem, (found, place)))
        start += width
    graph.output(tuple(parts))
    return GraphModule(root, graph, "Apart").train(model.training)
