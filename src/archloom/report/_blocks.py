"""Where the boxes of a drawing stand: layers in blocks, blocks in rows, rows in strips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from archloom.report._layers import Layer

BOX, LANE, GAP = 210, 22, 16
"""Widths in pixels: of a box, of an edge that passes boxes by, between neighbours in a row."""
HEAD, BETWEEN = 62, 22
"""Heights in pixels: of a box with three lines of text, from box to box."""
_TURN = 10
_ROWS_IN_STRIP = 9
_STRIPS = 4
_LIGHT = (
    "Norm",
    "ReLU",
    "Dropout",
    "Identity",
    "Flatten",
    "SiLU",
    "GELU",
    "ELU",
    "Sigmoid",
    "Tanh",
)
_LIGHT_FUNCTIONS = frozenset(
    ("relu", "gelu", "silu", "elu", "tanh", "sigmoid", "flatten", "dropout")
)


@dataclass(frozen=True)
class Block:
    """Layers that are drawn as one box, and the indices of the blocks that feed them."""

    layers: tuple[Layer, ...]
    inputs: tuple[int, ...]

    @property
    def main(self) -> Layer:
        """The layer that names the box: the first heavy one."""
        return next((layer for layer in self.layers if not is_light(layer)), self.layers[0])


@dataclass(frozen=True)
class Plan:
    """Places in pixels: the middle of each box's top edge, and each edge as a line of points.

    `head` is the height of a box.
    """

    width: int
    height: int
    head: int
    boxes: tuple[tuple[int, int], ...]
    edges: tuple[tuple[tuple[int, int], ...], ...]


def is_light(layer: Layer) -> bool:
    """Whether a layer is drawn within the box of the one before: norms, activations and such."""
    return layer.kind in _LIGHT_FUNCTIONS or any(part in layer.kind for part in _LIGHT)


def blocks(layers: Sequence[Layer]) -> list[Block]:
    """Put runs of layers that nothing branches off into one block: Conv, BatchNorm, ReLU.

    >>> chain = [Layer("0", "Conv2d"), Layer("1", "ReLU", inputs=(0,))]
    >>> [layer.kind for layer in blocks(chain)[0].layers]
    ['Conv2d', 'ReLU']
    """
    readers = [0] * len(layers)
    for layer in layers:
        for source in layer.inputs:
            readers[source] += 1
    found: list[list[Layer]] = []
    feeds: list[tuple[int, ...]] = []
    home: list[int] = []
    for layer in layers:
        joins = len(layer.inputs) == 1 and readers[layer.inputs[0]] == 1
        into = home[layer.inputs[0]] if joins else -1
        if joins and _fits(found[into], layer):
            found[into].append(layer)
            home.append(into)
        else:
            home.append(len(found))
            found.append([layer])
            feeds.append(tuple(dict.fromkeys(home[source] for source in layer.inputs)))
    return [Block(tuple(part), inputs) for part, inputs in zip(found, feeds, strict=True)]


def _fits(block: list[Layer], layer: Layer) -> bool:
    if block[0].kind == "Input":
        return False
    return is_light(layer) or all(is_light(before) for before in block)


def plan(found: Sequence[Block], head: int = HEAD) -> Plan:
    """Give every block a place: rows by the longest way from an input, wrapped into strips.

    >>> plan([Block((), ()), Block((), (0,))]).boxes
    ((121, 16), (121, 100))
    """
    pitch = head + BETWEEN
    depth: list[int] = []
    for block in found:
        depth.append(1 + max((depth[source] for source in block.inputs), default=-1))
    rows, chains = _rows(found, depth)
    order = _ordered(rows, chains)
    places: dict[_Item, _Place] = {}
    left = GAP
    height = 0
    for first, last in _strips([len(row) for row in order]):
        width = max(_width(row) for row in order[first:last])
        for line, row in enumerate(order[first:last]):
            x = left + (width - _width(row)) // 2
            for item in row:
                own = BOX if isinstance(item, int) else LANE
                places[item] = _Place(x + own // 2, GAP + line * pitch, left)
                x += own + GAP
        left += width + 3 * GAP
        height = max(height, (last - first) * pitch)
    edges = tuple(_points([places[item] for item in chain], head) for chain in chains)
    boxes = tuple((places[number].x, places[number].y) for number in range(len(found)))
    return Plan(left - 2 * GAP, height + GAP, head, boxes, edges)


class _Place(NamedTuple):
    """The middle of an item's top edge, and where its strip begins."""

    x: int
    y: int
    strip: int


_Item = int | tuple[int, int, int]
"""What stands in a row: a block by its index, or an edge (from, to, row) that passes by."""


def _rows(
    found: Sequence[Block], depth: Sequence[int]
) -> tuple[list[list[_Item]], list[list[_Item]]]:
    """Give the rows, with a lane for each edge that spans several, and each edge's way."""
    rows: list[list[_Item]] = [[] for _ in range(max(depth, default=-1) + 1)]
    chains: list[list[_Item]] = []
    for number, block in enumerate(found):
        rows[depth[number]].append(number)
        for source in block.inputs:
            lanes: list[_Item] = [
                (source, number, row) for row in range(depth[source] + 1, depth[number])
            ]
            for row, lane in enumerate(lanes, start=depth[source] + 1):
                rows[row].append(lane)
            chains.append([source, *lanes, number])
    return rows, chains


def _ordered(rows: list[list[_Item]], chains: list[list[_Item]]) -> list[list[_Item]]:
    """Sort each row by the mean place of what feeds it, so that few edges cross."""
    above: dict[_Item, list[_Item]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
    place: dict[_Item, float] = {}
    ordered = []
    for row in rows:
        wish = {
            item: sum(place[up] for up in above[item]) / len(above[item]) if item in above else 0.0
            for item in row
        }
        row = sorted(row, key=lambda item: (wish[item], not isinstance(item, int)))
        for index, item in enumerate(row):
            place[item] = (index + 0.5) / len(row)
        ordered.append(row)
    return ordered


def _strips(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Cut the rows into strips side by side, only after rows that hold a single block."""
    length = max(_ROWS_IN_STRIP, -(-len(sizes) // _STRIPS))
    strips = []
    first = 0
    for row, size in enumerate(sizes):
        last = row == len(sizes) - 1
        if last or (size == 1 and row + 1 - first >= length):
            strips.append((first, row + 1))
            first = row + 1
    return strips


def _width(row: Sequence[_Item]) -> int:
    return sum(BOX if isinstance(item, int) else LANE for item in row) + GAP * (len(row) - 1)


def _points(places: Sequence[_Place], head: int) -> tuple[tuple[int, int], ...]:
    """Start below the first box, run straight down each lane, end above the last box.

    To the next strip an edge runs up between the strips, with corners only.
    """
    points = []
    for here, there in pairwise(places):
        points += [(here.x, here.y), (here.x, here.y + head)]
        if there.strip != here.strip:
            between = there.strip - 3 * GAP // 2
            low, high = here.y + head + _TURN, there.y - _TURN
            points += [(here.x, low), (between, low), (between, high), (there.x, high)]
    points.append((places[-1].x, places[-1].y))
    return tuple(points[1:])
