"""NAS-Bench-201 architectures in the text that the benchmark uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError, did_you_mean
from archloom.nn._cell_ops import OPERATIONS

_EDGE: Final = re.compile(r"([^|~+\s]+)~(\d+)")


def to_nasbench201(architecture: Mapping[str, Value], scope: str = "cell") -> str:
    """Give the benchmark's text of an architecture.

    Args:
        architecture: of a space that asks `nasbench201_cell` with `pick.at(scope)`.
        scope: where the cell's labels start.

    Raises:
        ConfigError: when the architecture has no such cell.

    >>> from archloom.zoo import nasbench201
    >>> to_nasbench201(nasbench201.space.default())[:47]
    '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1'
    """
    nodes: list[str] = []
    while (label := f"{scope}.edge0to{len(nodes) + 1}") in architecture:
        target = len(nodes) + 1
        operations = [architecture[f"{scope}.edge{source}to{target}"] for source in range(target)]
        nodes.append("".join(f"|{name}~{source}" for source, name in enumerate(operations)) + "|")
    if not nodes:
        raise ConfigError(
            f"This architecture has no NAS-Bench-201 cell: there is no {label!r} in "
            f"{', '.join(map(repr, architecture)) or 'it'}."
        )
    return "+".join(nodes)


def from_nasbench201(text: str, scope: str = "cell") -> Architecture:
    """Give the architecture of the benchmark's text.

    Args:
        text: such as "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|".
        scope: where the cell's labels start.

    Raises:
        ConfigError: when the text reads otherwise.

    >>> from_nasbench201("|nor_conv_3x3~0|+|none~0|skip_connect~1|")
    Architecture({'cell.edge0to1': 'nor_conv_3x3', 'cell.edge0to2': 'none', \
'cell.edge1to2': 'skip_connect'})
    """
    values: dict[str, Value] = {}
    for target, node in enumerate(text.strip().split("+"), start=1):
        edges = _EDGE.findall(node)
        said = "|" + "".join(f"{name}~{source}|" for name, source in edges)
        if said != node or [int(source) for _, source in edges] != list(range(target)):
            raise ConfigError(
                f"An architecture of NAS-Bench-201 reads |operation~0|+|operation~0|operation~1|"
                f"+..., each node with an edge from every one before it, got {text!r}."
            )
        for name, source in edges:
            if name not in OPERATIONS:
                raise ConfigError(
                    f"There is no operation {name!r} for cells: {did_you_mean(name, OPERATIONS)}."
                )
            values[f"{scope}.edge{source}to{target}"] = name
    return Architecture(values)


def canonical_nasbench201(text: str) -> str:
    """Give a text whose equals compute the same function, as the benchmark's authors count it.

    Edges that are `none`, or start from a node that nothing reaches, are zeros; a skip connection
    is its source; the order of a sum does not matter. By it there are 6,466 cells, the number of
    the paper (arXiv:2001.00326, section 2.1). Zeros stay in the sums, so that a few cells of one
    function are still told apart: without them it would be 5,390.

    Raises:
        ConfigError: when the text is none of NAS-Bench-201.

    >>> skipped = "|nor_conv_3x3~0|+|none~0|skip_connect~1|"
    >>> canonical_nasbench201(skipped) == canonical_nasbench201("|none~0|+|nor_conv_3x3~0|none~1|")
    True
    """
    architecture = from_nasbench201(text)
    states = ["0"]
    while f"cell.edge0to{len(states)}" in architecture:
        target = len(states)
        states.append(
            "+".join(
                sorted(
                    _edge(states[source], str(architecture[f"cell.edge{source}to{target}"]))
                    for source in range(target)
                )
            )
        )
    return states[-1]


def _edge(state: str, operation: str) -> str:
    if operation == "none" or state == "#":
        return "#"
    return state if operation == "skip_connect" else f"({state})@{operation}"
