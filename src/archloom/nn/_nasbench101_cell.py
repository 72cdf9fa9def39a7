"""The cell of NAS-Bench-101: vertices with an operation each, joined by up to nine edges."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from torch import nn
from torch.fx import GraphModule

from archloom.errors import ConfigError, did_you_mean
from archloom.nn._cell_wiring import joined
from archloom.nn._nasbench101_spec import (
    NASBENCH101_OPERATIONS,
    NO_EDGE,
    connected,
    edge_name,
    edge_of,
    free_edges,
    sizes,
    slots,
)
from archloom.nn._pick import Pick
from archloom.nn._wired import wired

Edges = set[tuple[int, int]]


def nasbench101_cell(
    pick: Pick,
    before: int,
    width: int,
    *,
    vertices: int = 7,
    edges: int = 9,
    names: Sequence[str] = NASBENCH101_OPERATIONS,
) -> nn.Module:
    """Give a NAS-Bench-101 cell. NAS-Bench-101, arXiv:1902.09635, section 2.2.

    Vertex 0 is the input and the last one the output, which concatenates what leads to it; each
    vertex between sums its inputs and applies an operation. What comes from the input is projected
    by a 1x1 convolution, and added where it leads to the output; between vertices channels are
    cut off where the next one has fewer. Vertices that lead nowhere are left out.

    `pick` cannot forbid a combination of choices, so the choices are such that every one of them
    is a cell with a path and at most `edges` edges, and that every such cell is one of them:

    * `vertices`: with how many the cell is written, which opens all further choices: "7", "6" or
      "5", of which some may lead nowhere (all smaller cells are among these);
    * `vertices.7.op1`: the operation of vertex 1, and so on;
    * `vertices.7.from2`: one vertex with an edge to vertex 2, and so on: as each has one, there is
      always a path (vertex 1 has one from 0);
    * `vertices.7.extra1`: an edge more or "none", as often as edges are left: 3 times with 7.

    Several points are one cell (an extra edge may be there already, extra edges may change places,
    vertices may be renumbered), as in the benchmark's own encoding; `nasbench101_hash` tells.

    The edges set the widths of the vertices, so that a supernet cannot share them: pin all but the
    operations, for instance to those of `from_nasbench101`.

    Args:
        pick: answers the choices.
        before: channels of the map that comes in.
        width: channels of the map that goes out, at least `vertices`.
        vertices: how many there may be, input and output included.
        edges: how many there may be.
        names: the operations to choose from.

    Raises:
        ConfigError: for an argument that cannot be used.

    >>> import torch
    >>> from archloom.nn import model_space
    >>> @model_space
    ... def one_cell(pick):
    ...     return nasbench101_cell(pick, 4, 16, vertices=3)
    >>> list(one_cell.space.labels)
    ['vertices', 'vertices.3.from2', 'vertices.3.extra1', 'vertices.3.op1']
    >>> one_cell.build(one_cell.space.default())(torch.zeros(1, 4, 5, 5)).shape
    torch.Size([1, 16, 5, 5])
    """
    _check(width, vertices, edges, names)
    makes = {
        str(size): partial(
            _cell, before=before, width=width, size=size, most_edges=edges, names=tuple(names)
        )
        for size in sizes(vertices, edges)
    }
    return pick.layer("vertices", makes)


def _cell(
    pick: Pick, *, before: int, width: int, size: int, most_edges: int, names: tuple[str, ...]
) -> GraphModule:
    edges = _asked(pick, size, most_edges)
    kept = connected(size, edges)
    edges = {edge for edge in edges if set(edge) <= set(kept)}
    channels = vertex_channels(before, width, size, edges)
    parts: dict[str, nn.Module] = {}
    for vertex in range(1, size - 1):
        # What leads nowhere is asked all the same, since the edges must not decide what is asked.
        makes = {name: partial(_MAKES[name], channels.get(vertex, 1)) for name in names}
        module = pick.layer(f"op{vertex}", makes)
        if vertex in channels:
            parts[f"op{vertex}"] = module
    for source, target in sorted(edges):
        if source == 0:
            parts[f"project{target}"] = _conv(before, channels[target], 1)
    return wired(_forward(size, edges, channels), parts, name="Cell")


def _asked(pick: Pick, size: int, most_edges: int) -> Edges:
    """Ask for the edges: one into each vertex, and more.

    The options are words, not numbers, since no layer of a supernet could follow them.
    """
    edges = {(0, 1)}
    for vertex in range(2, size):
        sources = [str(source) for source in range(vertex - 1, -1, -1)]
        edges.add((int(pick.value(f"from{vertex}", sources)), vertex))
    options = [NO_EDGE, *map(edge_name, free_edges(size))]
    for number in range(slots(size, most_edges)):
        extra = pick.value(f"extra{number + 1}", options)
        if extra != NO_EDGE:
            edges.add(edge_of(extra))
    return edges


def vertex_channels(before: int, after: int, size: int, edges: Edges) -> dict[int, int]:
    """Give the channels of each vertex that has an edge.

    Those that lead to the output share its channels, the first ones getting what is left over;
    each other has as many as the widest that it leads to.
    """
    last = size - 1
    channels = {0: before, last: after}
    sharing = [source for source, target in sorted(edges) if target == last and source]
    for place, vertex in enumerate(sharing):
        channels[vertex] = after // len(sharing) + (place < after % len(sharing))
    for vertex in range(size - 2, 0, -1):
        targets = [target for source, target in edges if source == vertex]
        if vertex not in channels and targets:
            channels[vertex] = max(channels[target] for target in targets)
    return channels


def _forward(size: int, edges: Edges, channels: Mapping[int, int]) -> Callable[..., Any]:
    last = size - 1
    into = {v: [i for i, j in sorted(edges) if j == v] for v in channels}

    def forward(self: Any, x: Any) -> Any:
        states: dict[int, Any] = {}
        for vertex in sorted(set(channels) - {0, last}):
            inputs = [
                _cut(states[source], channels[source], channels[vertex])
                for source in into[vertex]
                if source
            ]
            if 0 in into[vertex]:
                inputs.append(getattr(self, f"project{vertex}")(x))
            total = functools.reduce(operator.add, inputs)
            states[vertex] = getattr(self, f"op{vertex}")(total)
        ends = [states[source] for source in into[last] if source]
        if 0 not in into[last]:
            return joined(ends)
        projected = getattr(self, f"project{last}")(x)
        return joined(ends) + projected if ends else projected

    return forward


def _cut(state: Any, channels: int, wanted: int) -> Any:
    return state if channels == wanted else state[:, :wanted]


def _conv(before: int, after: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())


_MAKES: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "conv3x3-bn-relu": lambda channels: _conv(channels, channels, 3),
    "conv1x1-bn-relu": lambda channels: _conv(channels, channels, 1),
    "maxpool3x3": lambda channels: nn.MaxPool2d(3, 1, padding=1),
}


def _check(width: int, vertices: int, edges: int, names: Sequence[str]) -> None:
    for name, value, least in (("vertices", vertices, 2), ("edges", edges, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(
                f"{name} of a cell must be a whole number from {least}, got {value!r}."
            )
    if width < vertices:
        raise ConfigError(
            f"A NAS-Bench-101 cell of up to {vertices} vertices needs {vertices} channels at "
            f"least, which they share, got {width!r}."
        )
    for name in names:
        if name not in _MAKES:
            raise ConfigError(
                f"NAS-Bench-101 has no operation {name!r}: {did_you_mean(name, _MAKES)}."
            )
