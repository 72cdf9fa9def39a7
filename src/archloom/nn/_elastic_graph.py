"""Elastic numbers that a graph holds as constants, such as a number of heads in a reshape."""

from __future__ import annotations

from functools import partial
from typing import Any, final

from torch import nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_aggregate

from archloom.nn._elastic_expression import Applied, Leaf, largest
from archloom.nn._elastic_gates import options_of
from archloom.nn._elastic_value import expression_of, expressions_in
from archloom.nn._routing import Routing

_NAME = "elastic_number"


@final
class ElasticNumber(nn.Module):
    """Gives a number under the present gates; where sizes have weights, the largest of them."""

    def __init__(self, expression: Leaf | Applied, routing: Routing) -> None:
        super().__init__()
        self.expression = expression
        self.routing = routing

    def forward(self) -> Any:
        memo = self.routing.memo
        if self not in memo:
            leaves = self.expression.leaves()
            options = {label: options_of(self.routing, leaf) for label, leaf in leaves.items()}
            memo[self] = largest(self.expression, options)
        return memo[self]


def swap_constants(module: GraphModule, routing: Routing) -> None:
    """Let a graph ask for its elastic numbers anew in every forward."""
    numbers: dict[Leaf | Applied, str] = {}

    def asked(node: Node, constant: Any) -> Any:
        expression = expression_of(constant)
        if not isinstance(expression, Leaf | Applied):
            return constant
        if expression not in numbers:
            numbers[expression] = f"{_NAME}_{len(numbers)}"
            module.add_submodule(numbers[expression], ElasticNumber(expression, routing))
        with module.graph.inserting_before(node):
            return module.graph.call_module(numbers[expression])

    for node in list(module.graph.nodes):
        if any(expressions_in((tuple(node.args), dict(node.kwargs)))):
            node.args = map_aggregate(node.args, partial(asked, node))
            node.kwargs = map_aggregate(node.kwargs, partial(asked, node))
    if numbers:
        module.recompile()
