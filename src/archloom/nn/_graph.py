"""Sums and concatenations of branches as plain torch modules.

A `torch.fx.GraphModule` pickles as source text, so that what these give needs nothing but torch
to be loaded again.
"""

from __future__ import annotations

import operator

import torch
from torch import nn
from torch.fx import Graph, GraphModule, Node

from archloom.errors import ConfigError


def residual(body: nn.Module, shortcut: nn.Module | None = None) -> GraphModule:
    """Give `x -> body(x) + x`, or `body(x) + shortcut(x)`: a residual connection.

    The parameters are found under `body.` and `shortcut.`.

    >>> block = residual(nn.Conv2d(8, 8, 3, padding=1))
    >>> block(torch.zeros(2, 8, 5, 5)).shape, sorted(block.state_dict())
    (torch.Size([2, 8, 5, 5]), ['body.bias', 'body.weight'])
    """
    graph, x = _graph()
    inside = graph.call_module("body", (x,))
    if shortcut is None:
        graph.output(graph.call_function(operator.add, (inside, x)))
        return GraphModule({"body": body}, graph, "Residual")
    aside = graph.call_module("shortcut", (x,))
    graph.output(graph.call_function(operator.add, (inside, aside)))
    return GraphModule({"body": body, "shortcut": shortcut}, graph, "Residual")


def add(*branches: nn.Module) -> GraphModule:
    """Give `x -> branches[0](x) + branches[1](x) + ...`: the sum of parallel branches.

    The parameters are found under `branch0.`, `branch1.` and so on.

    >>> add(nn.Identity(), nn.Identity())(torch.ones(2))
    tensor([2., 2.])
    """
    graph, outputs = _parallel(branches)
    total = outputs[0]
    for output in outputs[1:]:
        total = graph.call_function(operator.add, (total, output))
    graph.output(total)
    return GraphModule(_named(branches), graph, "Add")


def concat(*branches: nn.Module, dim: int = 1) -> GraphModule:
    """Give the outputs of parallel branches, concatenated along `dim` (1: channels, features).

    The parameters are found under `branch0.`, `branch1.` and so on.

    >>> concat(nn.Linear(3, 4), nn.Linear(3, 5))(torch.zeros(2, 3)).shape
    torch.Size([2, 9])
    """
    graph, outputs = _parallel(branches)
    graph.output(graph.call_function(torch.cat, (outputs, dim)))
    return GraphModule(_named(branches), graph, "Concat")


def scaled(by: nn.Module) -> GraphModule:
    """Give `x -> x * by(x)`: a gate, or channels weighted by what is in them.

    The parameters are found under `by.`.

    >>> scaled(nn.Sigmoid())(torch.zeros(2))
    tensor([0., 0.])
    """
    graph, x = _graph()
    weights = graph.call_module("by", (x,))
    graph.output(graph.call_function(operator.mul, (x, weights)))
    return GraphModule({"by": by}, graph, "Scaled")


def _graph() -> tuple[Graph, Node]:
    graph = Graph()
    return graph, graph.placeholder("x")


def _parallel(branches: tuple[nn.Module, ...]) -> tuple[Graph, list[Node]]:
    if not branches:
        raise ConfigError("add and concat need at least one branch, got none.")
    graph, x = _graph()
    return graph, [graph.call_module(name, (x,)) for name in _named(branches)]


def _named(branches: tuple[nn.Module, ...]) -> dict[str, nn.Module]:
    return {f"branch{number}": branch for number, branch in enumerate(branches)}
