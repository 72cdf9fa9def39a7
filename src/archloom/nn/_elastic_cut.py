"""Which entries of a large layer's weights a smaller one uses, axis by axis.

A size that is a sum is read as a concatenation, a product as the flattened axis of a table (rows
times columns), anything else as a row of entries whose first ones are used. So the smaller of
`nn.Linear(left + right, n)` takes the columns that belong to its left and its right input, and
that of `nn.Linear(n, 3 * width)` takes the first entries of each third.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor

from archloom.nn._elastic_expression import Applied, Expression

Size: TypeAlias = Callable[[Expression], Any]
"""Gives an expression's number: its largest one, or the one under some values of the choices."""


@dataclass(frozen=True)
class Whole:
    """All entries."""

    def __call__(self, tensor: Tensor, axis: int) -> Tensor:
        """Give the entries along that axis."""
        return tensor


@dataclass(frozen=True)
class Some:
    """`size` entries in a row."""

    size: int
    start: int = 0

    def __call__(self, tensor: Tensor, axis: int) -> Tensor:
        """Give the entries along that axis."""
        return tensor.narrow(axis, self.start, self.size)


@dataclass(frozen=True)
class Table:
    """Some columns of some rows; the axis holds `height` rows one after the other."""

    height: int
    rows: Cut
    columns: Cut

    def __call__(self, tensor: Tensor, axis: int) -> Tensor:
        """Give the entries along that axis."""
        shape = tensor.shape
        table = tensor.view(*shape[:axis], self.height, -1, *shape[axis + 1 :])
        return self.rows(self.columns(table, axis + 1), axis).flatten(axis, axis + 1)


@dataclass(frozen=True)
class Joined:
    """Some entries of each of several parts, which are `sizes` long."""

    sizes: tuple[int, ...]
    cuts: tuple[Cut, ...]

    def __call__(self, tensor: Tensor, axis: int) -> Tensor:
        """Give the entries along that axis."""
        start, parts = 0, []
        for size, cut in zip(self.sizes, self.cuts, strict=True):
            parts.append(cut(tensor.narrow(axis, start, size), axis))
            start += size
        return torch.cat(parts, axis)


@dataclass(frozen=True)
class Crop:
    """A block of a tensor, cut out along all axes at once: one copy, and one in the backward pass.

    Attributes:
        inside: the shape in which it is one block.
        less: how much the block leaves out at the ends of each axis, in the negative, the last
            axis first, as `torch.constant_pad_nd` takes it.
        outside: the shape to give the block.
    """

    inside: tuple[int, ...]
    less: tuple[int, ...]
    outside: tuple[int, ...]

    def __call__(self, tensor: Tensor) -> Tensor:
        """Give the block."""
        if len(self.inside) == len(self.outside):
            return torch.constant_pad_nd(tensor, self.less)
        block = torch.constant_pad_nd(tensor.view(self.inside), self.less)
        return block.reshape(self.outside)


@final
class Constant:
    """A tensor of fixed numbers, given wherever it is needed.

    It is made by `make`, whatever device or mode holds at the time.
    """

    def __init__(self, make: Callable[[], Tensor]) -> None:
        with torch.inference_mode(False), torch.device("cpu"):
            self._made = self._near = make()

    def beside(self, other: Tensor, dtype: torch.dtype) -> Tensor:
        """Give it on the other's device."""
        if self._near.device == other.device and self._near.dtype == dtype:
            return self._near
        with torch.inference_mode(False):
            self._near = self._made.to(other.device, dtype)
        return self._near


@final
class Gather:
    """Some entries along one axis, in a copy."""

    def __init__(self, places: Constant, axis: int) -> None:
        self._places = places
        self._axis = axis

    def __call__(self, tensor: Tensor) -> Tensor:
        """Give the entries."""
        return tensor.index_select(self._axis, self._places.beside(tensor, torch.int64))

    def put(self, tensor: Tensor, entries: Tensor) -> None:
        """Write the entries back."""
        tensor.index_copy_(self._axis, self._places.beside(tensor, torch.int64), entries)


Cut: TypeAlias = "Whole | Some | Table | Joined"
WHOLE: Final = Whole()


def cut_of(expression: Expression, large: Size, small: Size) -> Cut:
    """Give the entries that stay when an axis of size `expression` shrinks."""
    before, after = large(expression), small(expression)
    if isinstance(expression, Applied):
        if expression.verb == "mul":
            found = _table(expression, large, small)
        elif expression.verb == "add":
            found = _joined(expression, large, small)
        else:
            found = None
        if found is not None:
            return found
    return WHOLE if before == after else Some(after)


def centre(before: int, after: int) -> Cut:
    """Give the middle of a kernel, as a once-for-all network (arXiv:1908.09791) shrinks it."""
    return WHOLE if before == after else Some(after, (before - after) // 2)


def entries(cut: Cut, size: int) -> Tensor:
    """Give the places of the entries on an axis of that size."""
    return cut(torch.arange(size, device="cpu"), 0)


def crop_of(shape: tuple[int, ...], cuts: Sequence[tuple[int, Cut]]) -> Crop | None:
    """Give the block that cuts of several axes leave; None where they leave no single block.

    Args:
        shape: of the tensor.
        cuts: with their axes, at most one an axis.
    """
    by_axis = dict(cuts)
    if len(by_axis) < len(cuts):
        return None
    spans: list[_Span] = []
    outside = []
    for axis, size in enumerate(shape):
        found = _spans(by_axis.get(axis, WHOLE), size)
        if found is None:
            return None
        spans += found
        outside.append(prod(span.size for span in found))
    less = [n for s in reversed(spans) for n in (-s.start, s.start + s.size - s.whole)]
    return Crop(tuple(span.whole for span in spans), tuple(less), tuple(outside))


@dataclass(frozen=True)
class _Span:
    """What stays of an axis: `size` entries from `start` on, of `whole`."""

    whole: int
    start: int
    size: int


def _spans(cut: Cut, size: int) -> list[_Span] | None:
    match cut:
        case Whole():
            return [_Span(size, 0, size)]
        case Some():
            return [_Span(size, cut.start, cut.size)]
        case Table():
            rows = _spans(cut.rows, cut.height)
            columns = _spans(cut.columns, size // cut.height)
            return None if rows is None or columns is None else rows + columns
        case _:
            return None


def _table(expression: Applied, large: Size, small: Size) -> Cut | None:
    rows, columns = expression.parts
    height, width = large(rows), large(columns)
    if not _adds_up(expression, large, height * width, (height, width)):
        return None
    across, down = cut_of(columns, large, small), cut_of(rows, large, small)
    if across == WHOLE:
        if isinstance(down, Some):
            return Some(down.size * width)
        return down if down == WHOLE or width == 1 else Table(height, down, across)
    return across if height == 1 else Table(height, down, across)


def _joined(expression: Applied, large: Size, small: Size) -> Cut | None:
    sizes = tuple(large(part) for part in expression.parts)
    if not _adds_up(expression, large, sum(sizes), sizes):
        return None
    cuts = tuple(cut_of(part, large, small) for part in expression.parts)
    if all(cut == WHOLE for cut in cuts):
        return WHOLE
    first, last = cuts
    if first == WHOLE and isinstance(last, Some):
        return Some(sizes[0] + last.size)
    return Joined(sizes, cuts)


def _adds_up(expression: Applied, large: Size, total: int, sizes: tuple[int, ...]) -> bool:
    """Say whether all parts are as large as can be at once, so that they fill the axis."""
    fits: bool = total == large(expression)
    return fits and all(isinstance(size, int) and size > 0 for size in sizes)
