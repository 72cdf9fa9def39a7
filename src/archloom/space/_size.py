"""Exact counting of the architectures of a space, tied labels included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import TypeAlias

from archloom.architecture import Value
from archloom.space._numbers import Floats, Integers
from archloom.space._plan import Node, Nodes, Plan
from archloom.space._tree import Domain, SomeOf, spot


class _Ban(Enum):
    NEVER = "never"


_Known: TypeAlias = "Mapping[str, Value | _Ban]"
_Openings: TypeAlias = tuple[frozenset[Node], ...]


def size(plan: Plan, points: int | None = None) -> int | float:
    """Give the number of architectures; `points` limits the values of a number."""
    if points is not None:
        return _Census(plan, points, points).total()
    one = _Census(plan, None, 1).total()
    if any(isinstance(choice.domain, Floats) for choice in plan.labels.values()):
        # Whether an endless number can become active shows in what a second value of it adds.
        return one if one == _Census(plan, None, 2).total() else math.inf
    return one


class _Census:
    """Counts by taking independent parts apart and branching on labels that tie parts together.

    A label's options that open the same choices everywhere are counted once and multiplied.
    """

    def __init__(self, plan: Plan, points: int | None, endless: int) -> None:
        self._plan = plan
        self._points = points
        self._endless = endless
        self._bits = {label: 1 << place for place, label in enumerate(plan.variants)}
        self._groups: dict[str, list[tuple[Value, int]]] = {}
        self._memo: dict[object, int] = {}

    def total(self) -> int:
        return self._count(self._plan.roots, {})

    def _count(self, pending: Iterable[Node], known: _Known) -> int:
        """Count the ways to decide all that is pending, given what is `known` about some labels.

        A known label counts as one way where it is met; one that must never be met as none.
        """
        open_nodes = self._settled(pending, known)
        if open_nodes is None:
            return 0
        product = 1
        for part in self._parts(open_nodes, known):
            product *= self._part(part, known)
        return product

    def _settled(self, pending: Iterable[Node], known: _Known) -> dict[Node, None] | None:
        """Replace known labels by what they open; None if one was met that never may be."""
        result: dict[Node, None] = {}
        todo = list(pending)
        met: set[Node] = set()
        while todo:
            node = todo.pop()
            if node in met:
                continue
            met.add(node)
            if node.label not in known:
                result[node] = None
                continue
            value = known[node.label]
            if isinstance(value, _Ban):
                return None
            todo.extend(node.opened(value))
        return result

    def _parts(self, nodes: Iterable[Node], known: _Known) -> Iterator[Nodes]:
        """Split nodes into groups that have no open label in common."""
        hidden = 0
        for label in known:
            hidden |= self._bits[label]
        parts: list[tuple[int, Nodes]] = []
        for node in nodes:
            part: Nodes = (node,)
            mask = node.mask & ~hidden
            apart = []
            for other in parts:
                if other[0] & mask:
                    mask, part = mask | other[0], part + other[1]
                else:
                    apart.append(other)
            parts = [*apart, (mask, part)]
        return (part for _, part in parts)

    def _part(self, part: Nodes, known: _Known) -> int:
        reach = 0
        for node in part:
            reach |= node.mask
        known = {label: value for label, value in known.items() if self._bits[label] & reach}
        marks = {label: _mark(value) for label, value in known.items()}
        shape = self._shape(part[0]) if len(part) == 1 else frozenset(part)
        key = shape, frozenset(marks.items())
        if key not in self._memo:
            self._memo[key] = self._fresh(part, known)
        return self._memo[key]

    def _fresh(self, part: Nodes, known: _Known) -> int:
        if len(part) == 1:
            return self._single(part[0], known)
        label, certain = self._tie(part, known)
        met = sum(
            ways * self._count(part, {**known, label: value}) for value, ways in self._group(label)
        )
        if certain:
            return met
        # "met" also counts, once for every value, the ways that never come to the label.
        never = self._count(part, {**known, label: _Ban.NEVER})
        return met - never * (sum(ways for _, ways in self._group(label)) - 1)

    def _tie(self, part: Nodes, known: _Known) -> tuple[str, bool]:
        """Pick the label that ties most nodes together; say whether it is surely met."""
        shared: Counter[str] = Counter()
        for label, bit in self._bits.items():
            if label not in known:
                shared[label] = sum(1 for node in part if node.mask & bit)
        roots = {node.label for node in part}
        label = max(shared, key=lambda label: (shared[label] > 1, label in roots, shared[label]))
        return label, label in roots

    def _single(self, node: Node, known: _Known) -> int:
        again = self._returns(node)
        if isinstance(node.domain, SomeOf) and not again:
            return self._subsets(node, node.domain, known)
        total = 0
        for value, ways in self._group(node.label):
            inside = {**known, node.label: value} if again else known
            total += ways * self._count(node.opened(value), inside)
        return total

    def _shape(self, node: Node) -> object:
        """Give what a single node's count hangs on: alike edges of a cell are counted once."""
        domain = node.domain
        if isinstance(domain, Integers | Floats) or self._returns(node):
            return node
        return (node.opens, domain.low, domain.high) if isinstance(domain, SomeOf) else node.opens

    def _returns(self, node: Node) -> bool:
        """Say whether a node's label may come up again in what it opens."""
        return any(opened.mask & self._bits[node.label] for nodes in node.opens for opened in nodes)

    def _subsets(self, node: Node, domain: SomeOf, known: _Known) -> int:
        """Multiply, as polynomials in the number of chosen options, parts that share nothing."""
        by_size = [1]
        for cluster in self._clusters(node, known):
            ways: Counter[tuple[int, frozenset[Node]]] = Counter({(0, frozenset()): 1})
            for nodes in cluster:
                for (chosen, opened), number in list(ways.items()):
                    if chosen < domain.high:
                        ways[chosen + 1, opened | frozenset(nodes)] += number
            own = [0] * (len(cluster) + 1)
            for (chosen, opened), number in ways.items():
                own[chosen] += number * self._count(opened, known)
            by_size = _times(by_size, own)
        return sum(by_size[domain.low : domain.high + 1])

    def _clusters(self, node: Node, known: _Known) -> Iterator[list[Nodes]]:
        """Group a subset's options by the open labels that their choices share."""
        hidden = 0
        for label in known:
            hidden |= self._bits[label]
        clusters: list[tuple[int, list[Nodes]]] = []
        for nodes in node.opens:
            mask, cluster = 0, [nodes]
            for opened in nodes:
                mask |= opened.mask & ~hidden
            apart = []
            for other in clusters:
                if other[0] & mask:
                    mask, cluster = mask | other[0], other[1] + cluster
                else:
                    apart.append(other)
            clusters = [*apart, (mask, cluster)]
        return (cluster for _, cluster in clusters)

    def _group(self, label: str) -> list[tuple[Value, int]]:
        """Give one value, and the number, for every set of values that open the same everywhere."""
        if label not in self._groups:
            self._groups[label] = self._grouped(self._plan.variants[label])
        return self._groups[label]

    def _grouped(self, variants: list[Node]) -> list[tuple[Value, int]]:
        domain = variants[0].domain
        if all(node.branch is None for node in variants):
            return [(domain.default, self._ways(domain))]
        found: dict[_Openings, list[Value]] = {}
        numbers: Counter[_Openings] = Counter()
        for value in domain.values():
            key = tuple(frozenset(node.opened(value)) for node in variants)
            found.setdefault(key, [value])
            numbers[key] += 1
        return [(values[0], numbers[key]) for key, values in found.items()]

    def _ways(self, domain: Domain) -> int:
        if isinstance(domain, Floats):
            return self._endless
        if isinstance(domain, Integers) and self._points is not None:
            return min(domain.count, self._points)
        return domain.count


def _mark(value: Value | _Ban) -> object:
    return value if isinstance(value, _Ban) else spot(value)


def _times(first: list[int], second: list[int]) -> list[int]:
    product = [0] * (len(first) + len(second) - 1)
    for i, left in enumerate(first):
        for j, right in enumerate(second):
            product[i + j] += left * right
    return product
