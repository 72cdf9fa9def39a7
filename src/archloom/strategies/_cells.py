"""The graphs of cells, read from the labels of an architecture."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from archloom.architecture import Value
from archloom.space import OneOf, Space

_EDGE: Final = re.compile(r"(.*?)edge(\d+)to(\d+)")
_NODE: Final = re.compile(r"(.*?)node(\d+)")
_NOTHING: Final = frozenset({"none", "zero", "zeroize"})
_PLAIN: Final = frozenset({"skip_connect", "skip", "identity"})
_LARGEST: Final = 10  # nodes; a graph of more may have too many paths to list


class Step(NamedTuple):
    """A connection: what it starts from, where it leads, and the operation on it.

    `label` tells operations apart that have the same name; both are empty for a mere wire.
    """

    source: int
    target: int
    label: str = ""
    operation: str = ""


class Graph:
    """A directed graph without cycles from node 0 to the last one; steps that lead nowhere go.

    >>> steps = [Step(0, 1, "a", "conv"), Step(1, 2, "b", "skip"), Step(1, 3, "c", "conv")]
    >>> graph = Graph(3, steps)
    >>> [step.label for step in graph.steps], graph.longest, graph.paths()
    (['a', 'b'], 1, Counter({('conv', 'skip'): 1}))
    """

    def __init__(self, nodes: int, steps: Sequence[Step]) -> None:
        last = nodes - 1
        forward, backward = {0}, {last}
        ahead = sorted(steps, key=lambda step: step.target)
        for step in ahead:
            if step.source in forward:
                forward.add(step.target)
        for step in sorted(steps, key=lambda step: -step.source):
            if step.target in backward:
                backward.add(step.source)
        self.steps = tuple(s for s in ahead if s.source in forward and s.target in backward)
        self._last = last
        self._measure()

    def _measure(self) -> None:
        """Count the paths and the operations on the longest and the shortest one."""
        counts, longest, shortest = Counter({0: 1}), {0: 0}, {0: 0}
        for source, target, _, operation in self.steps:
            more = int(bool(operation) and operation not in _PLAIN)
            counts[target] += counts[source]
            longest[target] = max(longest.get(target, 0), longest[source] + more)
            shortest[target] = min(shortest.get(target, 10**6), shortest[source] + more)
        self.longest = longest.get(self._last, -1)
        self.shortest = shortest.get(self._last, -1)
        self.count = counts[self._last]

    @property
    def shape(self) -> tuple[float, ...]:
        """Operations on the longest and on the shortest path (-1: no path), and log2(1 + paths)."""
        return self.longest, self.shortest, math.log2(1 + self.count)

    def live(self) -> Counter[str]:
        """Count the operations on some path, each once however many paths it is on."""
        named = {step.label: step.operation for step in self.steps if step.operation}
        return Counter(named.values())

    def paths(self) -> Counter[tuple[str, ...]]:
        """Count the paths from the input to the output by the operations met on them."""
        to: dict[int, list[tuple[str, ...]]] = {0: [()]}
        for source, target, _, operation in self.steps:
            more = (operation,) if operation else ()
            to.setdefault(target, []).extend(path + more for path in to[source])
        return Counter(to.get(self._last, []))


class Cell(Protocol):
    """Where a space decides the graph of a cell.

    `operations` are the names of all that may stand in it.
    """

    operations: tuple[str, ...]

    def graph(self, architecture: Mapping[str, Value]) -> Graph:
        """Give the cell's graph in one architecture."""


class EdgeCell:
    """`edge0to1`, ...: nodes that sum, an operation on each edge, as in NAS-Bench-201."""

    def __init__(self, space: Space, labels: Mapping[str, tuple[int, int]]) -> None:
        self.operations = _operations(space, labels)
        self._labels = labels
        self._nodes = 1 + max(target for _, target in labels.values())

    def graph(self, architecture: Mapping[str, Value]) -> Graph:
        """Give the cell's graph in one architecture."""
        steps = [
            Step(*edge, label, str(architecture[label]))
            for label, edge in self._labels.items()
            if label in architecture and architecture[label] not in _NOTHING
        ]
        return Graph(self._nodes, steps)


class NodeCell:
    """`node2`, `node2.0.op`, ...: each node takes some earlier ones, as in DARTS.

    Node 0 of the graph is where both inputs come from; all nodes lead to its last one.
    """

    def __init__(self, space: Space, scope: str, nodes: Sequence[int]) -> None:
        inside = [f"{scope}node{node}.{source}.op" for node in nodes for source in range(node)]
        self.operations = _operations(space, inside)
        self._scope = scope
        self._nodes = nodes

    def graph(self, architecture: Mapping[str, Value]) -> Graph:
        """Give the cell's graph in one architecture."""
        last = 1 + max(self._nodes) + 1
        steps = [Step(0, 1), Step(0, 2)]
        for node in self._nodes:
            sources = architecture.get(f"{self._scope}node{node}", ())
            for source in sources if isinstance(sources, tuple) else ():
                label = f"{self._scope}node{node}.{source}.op"
                operation = str(architecture.get(label, "none"))
                if operation not in _NOTHING:
                    steps.append(Step(1 + int(str(source)), 1 + node, label, operation))
            steps.append(Step(1 + node, last))
        return Graph(last + 1, steps)


class VertexCell:
    """`vertices`, `vertices.7.op1`, ...: an operation on each vertex, as in NAS-Bench-101."""

    def __init__(self, space: Space, scope: str) -> None:
        inside = re.compile(re.escape(scope) + r"vertices\.\d+\.op\d+")
        self.operations = _operations(space, filter(inside.fullmatch, space.labels))
        self._scope = scope

    def graph(self, architecture: Mapping[str, Value]) -> Graph:
        """Give the cell's graph in one architecture."""
        size = int(str(architecture[f"{self._scope}vertices"]))
        inside = f"{self._scope}vertices.{size}."
        edges = {(0, 1)}
        for label, value in architecture.items():
            name = label.removeprefix(inside)
            if name.startswith("from"):
                edges.add((int(str(value)), int(name.removeprefix("from"))))
            elif name.startswith("extra") and "-" in str(value):
                source, _, target = str(value).partition("-")
                edges.add((int(source), int(target)))
        steps = []
        for before, after in sorted(edges):
            label = f"{inside}op{after}" if after < size - 1 else ""
            steps.append(Step(before, after, label, str(architecture[label]) if label else ""))
        return Graph(size, steps)


def cells_of(space: Space) -> tuple[Cell, ...]:
    """Give the cells of a space that are written like those of `archloom.nn.cells`.

    >>> [cell] = cells_of(Space(()).joint(edge0to1=["conv", "none"]))
    >>> cell.graph({"edge0to1": "conv"}).longest
    1
    """
    return (*_edge_cells(space), *_node_cells(space), *_vertex_cells(space))


def _edge_cells(space: Space) -> Iterator[Cell]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for label, choice in space.labels.items():
        match = _EDGE.fullmatch(label)
        if match and isinstance(choice.domain, OneOf):
            scope, source, target = match[1], int(match[2]), int(match[3])
            if source < target <= _LARGEST:
                found.setdefault(scope, {})[label] = (source, target)
    for labels in found.values():
        yield EdgeCell(space, labels)


def _node_cells(space: Space) -> Iterator[Cell]:
    found: dict[str, list[int]] = {}
    for label in space.labels:
        match = _NODE.fullmatch(label)
        if match and any(f"{label}.{source}.op" in space.labels for source in range(2)):
            found.setdefault(match[1], []).append(int(match[2]))
    for scope, nodes in found.items():
        if max(nodes) < _LARGEST:
            yield NodeCell(space, scope, sorted(nodes))


def _vertex_cells(space: Space) -> Iterator[Cell]:
    for label, choice in space.labels.items():
        scope = label.removesuffix("vertices")
        if label.endswith("vertices") and isinstance(choice.domain, OneOf):
            sizes = [str(option.value) for option in choice.domain.options]
            if all(size.isdecimal() and int(size) <= _LARGEST for size in sizes) and all(
                f"{label}.{size}.op1" in space.labels for size in sizes if int(size) > 2
            ):
                yield VertexCell(space, scope)


def _operations(space: Space, labels: Iterable[str]) -> tuple[str, ...]:
    domains = [space.labels[label].domain for label in labels if label in space.labels]
    names = {str(o.value) for d in domains if isinstance(d, OneOf) for o in d.options}
    return tuple(sorted(names - _NOTHING))
