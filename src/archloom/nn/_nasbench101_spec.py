"""Specifications of NAS-Bench-101 cells: a matrix of edges and an operation for each vertex."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, TypeAlias

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError, did_you_mean

Matrix: TypeAlias = "tuple[tuple[int, ...], ...]"
"""Row i, column j: 1 where there is an edge from vertex i to vertex j."""

NASBENCH101_OPERATIONS: Final = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The operations of NAS-Bench-101, in the order of its authors' code."""

NO_EDGE: Final = "none"


def slots(size: int, most_edges: int) -> int:
    """Give how many edges a cell of `size` vertices may have besides one into each vertex."""
    return min(most_edges, size * (size - 1) // 2) - (size - 1)


def sizes(vertices: int, most_edges: int) -> list[int]:
    """Give how many vertices a cell may be written with, so that all cells can be written.

    A smaller cell is written with vertices that lead nowhere, where edges are left for them.
    """
    most = min(vertices, most_edges + 1)
    return [
        size
        for size in range(most, 1, -1)
        if size == most or min(most_edges, size * (size - 1) // 2) + most - size > most_edges
    ]


def free_edges(size: int) -> list[tuple[int, int]]:
    """Give the edges that need not be there."""
    return [edge for edge in combinations(range(size), 2) if edge != (0, 1)]


def matrix_of(size: int, edges: set[tuple[int, int]]) -> Matrix:
    """Give the matrix of a set of edges."""
    return tuple(tuple(int((i, j) in edges) for j in range(size)) for i in range(size))


def edges_of(matrix: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """Give the set of edges of a matrix."""
    return {(i, j) for i, row in enumerate(matrix) for j, there in enumerate(row) if there}


def connected(size: int, edges: set[tuple[int, int]]) -> list[int]:
    """Give the vertices that lie on a path from the first to the last, in order."""
    forth, back = {0}, {size - 1}
    for i, j in sorted(edges):
        if i in forth:
            forth.add(j)
    for i, j in sorted(edges, key=lambda edge: edge[1], reverse=True):
        if j in back:
            back.add(i)
    return sorted(forth & back)


def pruned_nasbench101(
    matrix: Sequence[Sequence[int]], operations: Sequence[str]
) -> tuple[Matrix, tuple[str, ...]]:
    """Leave out the vertices that lie on no path from input to output, as the benchmark does.

    Raises:
        ConfigError: when it is no cell: no square, not above the diagonal, no path at all, not
            one operation for each vertex (the first "input", the last "output").

    >>> pruned_nasbench101([[0, 1, 1], [0, 0, 0], [0, 0, 0]], ["input", "maxpool3x3", "output"])
    (((0, 1), (0, 0)), ('input', 'output'))
    """
    size = _checked(matrix, operations)
    edges = edges_of(matrix)
    kept = connected(size, edges)
    if not {0, size - 1} <= set(kept):
        raise ConfigError(
            f"A NAS-Bench-101 cell needs a path from its first vertex to its last, which "
            f"{[list(map(int, row)) for row in matrix]} does not have."
        )
    smaller = tuple(tuple(int((i, j) in edges) for j in kept) for i in kept)
    return smaller, tuple(operations[vertex] for vertex in kept)


def nasbench101_hash(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> str:
    """Give the benchmark's own key of a cell: equal for cells that are one up to renumbering.

    Raises:
        ConfigError: when it is no cell, or its operations are not those of the benchmark.

    >>> chain = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    >>> nasbench101_hash(chain, ["input", "conv3x3-bn-relu", "output"])[:8]
    'b49ac8c5'
    """
    matrix, operations = pruned_nasbench101(matrix, operations)
    kinds = [-1, *(NASBENCH101_OPERATIONS.index(_known(name)) for name in operations[1:-1]), -2]
    vertices = range(len(matrix))
    before = [[i for i in vertices if matrix[i][j]] for j in vertices]
    after = [[j for j in vertices if matrix[i][j]] for i in vertices]
    hashes = [_md5(str((len(after[v]), len(before[v]), kinds[v]))) for v in vertices]
    for _ in vertices:
        hashes = [
            _md5(
                "|".join(
                    (
                        "".join(sorted(hashes[w] for w in before[v])),
                        "".join(sorted(hashes[w] for w in after[v])),
                        hashes[v],
                    )
                )
            )
            for v in vertices
        ]
    return _md5(str(sorted(hashes)))


def to_nasbench101(
    architecture: Mapping[str, Value], scope: str = "cell"
) -> tuple[Matrix, tuple[str, ...]]:
    """Give matrix and operations of the cell, without vertices that lead nowhere.

    Args:
        architecture: of a space that asks `nasbench101_cell` with `pick.at(scope)`.
        scope: where the cell's labels start.

    Raises:
        ConfigError: when the architecture has no such cell.

    >>> from archloom.zoo import nasbench101
    >>> matrix, operations = to_nasbench101(nasbench101.space.default())
    >>> matrix[0], operations[1]
    ((0, 1, 0, 0, 0, 0, 0), 'conv3x3-bn-relu')
    """
    size = int(str(_value(architecture, f"{scope}.vertices")))
    inside = f"{scope}.vertices.{size}"
    edges = {(0, 1)}
    for vertex in range(2, size):
        edges.add((int(str(_value(architecture, f"{inside}.from{vertex}"))), vertex))
    for number in _numbers(architecture, f"{inside}.extra"):
        edge = str(architecture[f"{inside}.extra{number}"])
        if edge != NO_EDGE:
            edges.add(edge_of(edge))
    inner = [str(_value(architecture, f"{inside}.op{vertex}")) for vertex in range(1, size - 1)]
    return pruned_nasbench101(matrix_of(size, edges), ("input", *inner, "output"))


def from_nasbench101(
    matrix: Sequence[Sequence[int]],
    operations: Sequence[str],
    scope: str = "cell",
    *,
    vertices: int = 7,
    edges: int = 9,
) -> Architecture:
    """Give an architecture of a cell.

    Args:
        matrix: row i, column j is 1 where there is an edge from vertex i to vertex j.
        operations: of each vertex; the first is "input", the last "output".
        scope: where the cell's labels start.
        vertices: how many the space allows.
        edges: how many the space allows.

    Raises:
        ConfigError: when it is no cell, or has more vertices or edges than the space allows.

    >>> cell = from_nasbench101([[0, 1, 1], [0, 0, 1], [0, 0, 0]],
    ...                         ["input", "maxpool3x3", "output"])
    >>> cell["cell.vertices"], cell["cell.vertices.5.op1"], cell["cell.vertices.5.extra1"]
    ('5', 'maxpool3x3', '0-4')
    """
    matrix, operations = pruned_nasbench101(matrix, operations)
    size, there = len(matrix), sorted(edges_of(matrix))
    for what, number, most in (("vertices", size, vertices), ("edges", len(there), edges)):
        if number > most:
            raise ConfigError(f"This cell may have {most} {what} at most, got {number}.")
    written = min(s for s in sizes(vertices, edges) if s >= size and len(there) + s - size <= edges)
    # Vertices that lead nowhere stand before the output and have an edge from the input.
    there = sorted((i, written - 1 if j == size - 1 else j) for i, j in there)
    first = {v: max((i for i, j in there if j == v), default=0) for v in range(1, written)}
    inner = [*map(_known, operations[1:-1]), *NASBENCH101_OPERATIONS[:1] * (written - size)]
    inside = f"{scope}.vertices.{written}"
    values: dict[str, Value] = {f"{scope}.vertices": str(written)}
    values |= {f"{inside}.op{v}": name for v, name in enumerate(inner, start=1)}
    values |= {f"{inside}.from{v}": str(first[v]) for v in range(2, written)}
    rest = [edge for edge in there if first[edge[1]] != edge[0]]
    for number in range(slots(written, edges)):
        extra = edge_name(rest[number]) if number < len(rest) else NO_EDGE
        values[f"{inside}.extra{number + 1}"] = extra
    return Architecture(values)


def edge_name(edge: tuple[int, int]) -> str:
    """Give the name of an edge as an option."""
    return f"{edge[0]}-{edge[1]}"


def edge_of(name: str) -> tuple[int, int]:
    """Give the edge of a name."""
    source, _, target = name.partition("-")
    return int(source), int(target)


def _checked(matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> int:
    size = len(matrix)
    wrong = [edge for edge in edges_of(matrix) if edge[0] >= edge[1]]
    if size < 2 or any(len(row) != size for row in matrix) or wrong:
        raise ConfigError(
            f"The matrix of a NAS-Bench-101 cell must be square and have edges above its diagonal "
            f"only, got {[list(map(int, row)) for row in matrix]}."
        )
    if len(operations) != size or (operations[0], operations[-1]) != ("input", "output"):
        raise ConfigError(
            f"A NAS-Bench-101 cell of {size} vertices needs as many operations, 'input' first and "
            f"'output' last, got {list(operations)}."
        )
    return size


def _known(name: str) -> str:
    if name in NASBENCH101_OPERATIONS:
        return name
    raise ConfigError(
        f"NAS-Bench-101 has no operation {name!r}: {did_you_mean(name, NASBENCH101_OPERATIONS)}."
    )


def _value(architecture: Mapping[str, Value], label: str) -> Value:
    if label not in architecture:
        raise ConfigError(
            f"This is no architecture with a NAS-Bench-101 cell: it has no {label!r}, but "
            f"{', '.join(map(repr, architecture)) or 'nothing'}."
        )
    return architecture[label]


def _numbers(architecture: Mapping[str, Any], start: str) -> Iterator[int]:
    number = 1
    while f"{start}{number}" in architecture:
        yield number
        number += 1


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
