"""The cell of NAS-Bench-201: an operation on every edge of a small graph of all edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.fx import GraphModule

from archloom.errors import ConfigError
from archloom.nn._cell_ops import NASBENCH201_OPERATIONS, operations
from archloom.nn._cell_wiring import summed
from archloom.nn._pick import Pick
from archloom.nn._wired import wired


def nasbench201_cell(
    pick: Pick,
    width: int,
    *,
    nodes: int = 4,
    names: Sequence[str] = NASBENCH201_OPERATIONS,
) -> GraphModule:
    """Give a NAS-Bench-201 cell, which keeps channels and size.

    Node 0 is the input; each further node is the sum of the edges from all nodes before it; the
    last one is the output. `edge0to1` chooses the operation on the edge from node 0 to node 1.
    NAS-Bench-201, arXiv:2001.00326, section 2.1.

    Args:
        pick: answers the choices.
        width: channels.
        nodes: how many, input and output included.
        names: the operations to choose from, see `OPERATIONS`.

    Raises:
        ConfigError: for an argument that cannot be used.

    >>> import torch
    >>> from archloom.nn import model_space
    >>> @model_space
    ... def one_cell(pick):
    ...     return nasbench201_cell(pick, 4)
    >>> one_cell.space.size, list(one_cell.space.labels)[:3]
    (15625, ['edge0to1', 'edge0to2', 'edge1to2'])
    >>> one_cell.build(one_cell.space.default())(torch.ones(1, 4, 2, 2)).shape
    torch.Size([1, 4, 2, 2])
    """
    if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 2:
        raise ConfigError(f"nodes of a cell must be a whole number from 2, got {nodes!r}.")
    makes = operations(names, width)
    parts = {
        f"edge{source}to{target}": pick.layer(f"edge{source}to{target}", makes)
        for target in range(1, nodes)
        for source in range(target)
    }
    return wired(_forward(nodes, parts), parts, name="Cell")


def _forward(nodes: int, parts: Mapping[str, nn.Module]) -> Callable[..., Any]:
    def forward(self: Any, x: Any) -> Any:
        states = [x]
        for target in range(1, nodes):
            edges = {f"edge{source}to{target}": states[source] for source in range(target)}
            states.append(summed(self, edges, parts))
        return states[-1]

    return forward
