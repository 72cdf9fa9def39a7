"""Architectures as rows of numbers, in blocks that a predictor may weigh apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.space import Choice, OneOf, SomeOf, Space
from archloom.strategies._cells import Graph, cells_of

Matrix: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = dict[str, Matrix]
"""The blocks of some architectures, a row each."""

Places: TypeAlias = NDArray[np.intp]

GraphBlock = Literal["live", "shape", "paths"]

_GROUPS: Final = 12
_PATHS: Final = 128
_NUMBER: Final = 2.0  # the distance between the ends of a range, where two options are 1 apart


class Encoding:
    """The blocks of a space's architectures.

    Squared distances mean the same in all of them: about 1 between two architectures that differ
    in one choice in `tree`, and on average about 1 between random ones in the others.

    - `tree`: the labels' options. `groups` says which columns belong to one label, or where there
      are more than 12 labels, to those of one kind.
    - `counts`: how often an option is chosen over all labels with the same options, and how many
      labels are active, for spaces where options come up again.
    - `live`: how often each operation is on a path from the input of a cell to its output; and
      `shape`: how many operations the longest and the shortest of its paths have, and how many
      paths there are. For spaces with the cells of `archloom.nn.cells`, see `cells_of`.

    - `paths`, where asked for: which paths a cell has, by the operations on the way from its input
      to its output, as in BANANAS (arXiv:1910.11858, section 3). There is a column for each path
      that there could be, short ones first, up to 128 of a cell; longer paths are left out.

    The last three are for spaces with the cells of `archloom.nn.cells` (see `cells_of`); `graph`
    says which of them are wanted. Blocks without columns are left out.

    >>> space = Space(()).joint(first=["conv", "skip"], second=["conv", "skip"])
    >>> Encoding(space).rows([space.default()])["counts"].shape
    (1, 2)
    """

    def __init__(self, space: Space, graph: Sequence[GraphBlock] = ("live", "shape")) -> None:
        self._space = space
        self._tree, self.groups = _tree(space)
        self.labels = len(space.labels)
        self._counts = _counts(space)
        self._cells = cells_of(space) if graph else ()
        self._graph = tuple(graph)

    def rows(self, architectures: Sequence[Architecture]) -> Rows:
        """Give the blocks of architectures, a row each."""
        slots = np.array([self._space.encode(a) for a in architectures], dtype=np.float64)
        slots = slots.reshape(len(architectures), len(self._tree))
        blocks = {"tree": slots @ self._tree, "counts": slots @ self._counts}
        if self._cells:
            graphs = [[cell.graph(a) for a in architectures] for cell in self._cells]
            make = {"live": self._live, "shape": self._shape, "paths": self._pathed}
            blocks |= {name: make[name](graphs) for name in self._graph}
        return {name: block for name, block in blocks.items() if block.shape[1]}

    @property
    def _steps(self) -> float:
        return max(self.labels / len(self._cells), 1.0)

    def _live(self, graphs: Sequence[Sequence[Graph]]) -> Matrix:
        parts = []
        for cell, column in zip(self._cells, graphs, strict=True):
            part = np.zeros((len(column), len(cell.operations)))
            for row, graph in enumerate(column):
                counts = graph.live()
                part[row] = [counts[name] for name in cell.operations]
            parts.append(part)
        return np.hstack(parts) / math.sqrt(2 * self._steps)

    def _shape(self, graphs: Sequence[Sequence[Graph]]) -> Matrix:
        parts = [np.array([graph.shape for graph in column]).reshape(-1, 3) for column in graphs]
        return np.hstack(parts) / math.sqrt(self._steps)

    def _pathed(self, graphs: Sequence[Sequence[Graph]]) -> Matrix:
        parts = []
        for cell, column in zip(self._cells, graphs, strict=True):
            part = np.zeros((len(column), _PATHS))
            for row, graph in enumerate(column):
                places = [_place(path, cell.operations) for path in graph.paths()]
                part[row, [place for place in places if place < _PATHS]] = 1.0
            parts.append(part)
        return np.hstack(parts)


def _place(path: Sequence[str], operations: Sequence[str]) -> int:
    """Give the column of a path: shorter ones come first, then in the order of the operations."""
    place = 0
    for operation in path:
        place = place * len(operations) + operations.index(operation) + 1
    return place


def stacked(first: Rows, second: Rows) -> Rows:
    """Give the rows of both, first those of `first`."""
    return {name: np.vstack([first[name], second[name]]) for name in first}


def taken(rows: Rows, places: NDArray[np.intp] | Sequence[int]) -> Rows:
    """Give some of the rows."""
    return {name: block[places] for name, block in rows.items()}


def scaled(features: Sequence[Mapping[str, float]], known: int) -> Matrix:
    """Give features as columns, for which the first `known` ones have about unit spread.

    What is missing or not finite becomes the median. Large values are compressed (arcsinh), since
    zero-cost scores span decades.
    """
    names = sorted({name for given in features for name in given})
    table = np.array([[float(g.get(name, np.nan)) for name in names] for g in features])
    table = table.reshape(len(features), len(names))
    columns = []
    for column in table.T:
        finite = column[:known][np.isfinite(column[:known])]
        low, middle, high = np.percentile(finite, [25, 50, 75]) if len(finite) else (0.0,) * 3
        spread = high - low if high > low else 1.0
        filled = np.where(np.isfinite(column), column, middle)
        columns.append(np.arcsinh((filled - middle) / spread) / math.sqrt(len(names)))
    return np.column_stack(columns) if columns else np.zeros((len(features), 0))


def _tree(space: Space) -> tuple[Matrix, tuple[Places, ...]]:
    """Give what turns `Space.encode` into columns, and which columns are weighed together."""
    choices = list(space.labels.values())
    parts = [_columns(choice) for choice in choices]
    rows = np.cumsum([0, *(part.shape[0] for part in parts)])
    columns = np.cumsum([0, *(part.shape[1] for part in parts)])
    matrix = np.zeros((rows[-1], columns[-1]))
    groups: dict[object, list[int]] = {}
    for at, (choice, part) in enumerate(zip(choices, parts, strict=True)):
        matrix[rows[at] : rows[at + 1], columns[at] : columns[at + 1]] = part
        kind: object = at if len(choices) <= _GROUPS else repr(choice.domain)
        if kind not in groups and len(groups) == _GROUPS:
            kind = next(reversed(groups))
        groups.setdefault(kind, []).extend(range(columns[at], columns[at + 1]))
    return matrix, tuple(np.array(group, dtype=np.intp) for group in groups.values())


def _columns(choice: Choice) -> Matrix:
    """Give the columns of one label, so that two of its options are a distance of 1 apart.

    Options that are numbers differ by half for not being the same, and by their order.
    """
    domain = choice.domain
    if isinstance(domain, OneOf):
        count = domain.count
        if count > 2 and all(_is_number(option.value) for option in domain.options):
            values = [float(str(option.value)) for option in domain.options]
            order = np.argsort(np.argsort(values)) / (count - 1)
            return np.column_stack([np.eye(count) * 0.5, order])
        return np.eye(count) * math.sqrt(0.5)
    if isinstance(domain, SomeOf):
        return np.eye(len(domain.options)) * math.sqrt(0.5)
    return np.diag([_NUMBER, math.sqrt(0.5)])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counts(space: Space) -> Matrix:
    """Give what turns `Space.encode` into counts over labels that have the same options."""
    kinds: dict[tuple[str, ...], list[int]] = {}
    row = 0
    for choice in space.labels.values():
        domain = choice.domain
        if isinstance(domain, OneOf | SomeOf):
            tokens = tuple(option.token for option in domain.options)
            kinds.setdefault(tokens, []).append(row)
            row += len(tokens)
        else:
            row += 2
    shared = {tokens: rows for tokens, rows in kinds.items() if len(rows) > 1}
    matrix = np.zeros((row, sum(map(len, shared))))
    column = 0
    for tokens, rows in shared.items():
        for place in range(len(tokens)):
            for start in rows:
                matrix[start + place, column] = 1 / math.sqrt(2 * len(rows))
            column += 1
    return matrix
