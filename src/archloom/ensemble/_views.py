"""Views of an image for test-time augmentation, as steps of a torch.fx graph."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch.fx import Graph, Node

from archloom.errors import ConfigError, did_you_mean

PLAIN: Final = "plain"

_ALL = slice(None)
# how a step by one pixel is put together: the border that is repeated, the rest, and their order
_STEPS: Final[Mapping[str, tuple[int, slice, slice]]] = {
    "left": (-1, slice(1, None), slice(-1, None)),
    "right": (-1, slice(None, 1), slice(None, -1)),
    "up": (-2, slice(1, None), slice(-1, None)),
    "down": (-2, slice(None, 1), slice(None, -1)),
}
_FLIPS: Final[Mapping[str, int]] = {"flip": -1, "vflip": -2, "dflip": -3}
_TURN: Final = "rot90"

VIEWS: Final = (PLAIN, *_FLIPS, _TURN, *_STEPS)
"""`plain` as it is, mirrored, turned, or moved by one pixel; several joined by spaces follow."""

_BY_OP: Final[Mapping[str, tuple[str, ...]]] = {
    "flip": ("flip",),
    "vflip": ("vflip",),
    "dflip": ("dflip",),
    _TURN: (_TURN, f"{_TURN} {_TURN}", f"{_TURN} {_TURN} {_TURN}"),
    "shift": ("left", "right", "up", "down"),
}


def view_options(
    ops: Sequence[str], shape: Sequence[int] | None = None
) -> dict[str, tuple[str, ...]]:
    """Give the sets of views worth trying for the augmentations that a task allows.

    With the `shape` of a sample, views that it does not allow are left out: a quarter turn of
    what is not square, the third axis of an image.

    >>> view_options(("flip",))
    {'flip': ('plain', 'flip')}
    >>> list(view_options(("flip", "shift")))
    ['flip', 'shift', 'flip and shift']
    """
    known = [op for op in _BY_OP if op in ops and (shape is None or _fits(op, shape))]
    options = {op: (PLAIN, *_BY_OP[op]) for op in known}
    if len(known) > 1:
        views: tuple[str, ...] = (PLAIN,)
        # mirrored and turned is mirrored the other way
        twice = {"vflip"} if {"flip", _TURN} <= set(known) else set()
        for op in (op for op in known if op not in twice):
            views = (*views, *(_joined(view, more) for view in views for more in _BY_OP[op]))
        options[f"{', '.join(known[:-1])} and {known[-1]}"] = views
    return options


def _fits(op: str, shape: Sequence[int]) -> bool:
    if op == "dflip":
        return len(shape) == 4
    return op != _TURN or shape[-1] == shape[-2]


def _joined(view: str, more: str) -> str:
    return more if view == PLAIN else f"{view} {more}"


def add_view(graph: Graph, x: Node, view: str) -> Node:
    """Add the steps of a view of `x` to the graph.

    Raises:
        ConfigError: for a view that is not known.
    """
    for step in view.split():
        if step in _FLIPS:
            x = graph.call_function(torch.flip, (x, [_FLIPS[step]]))
        elif step == _TURN:
            x = graph.call_function(torch.rot90, (x, 1, [-2, -1]))
        elif step in _STEPS:
            dim, first, second = _STEPS[step]
            pieces = [_cut(graph, x, dim, first), _cut(graph, x, dim, second)]
            x = graph.call_function(torch.cat, (pieces, dim))
        elif step != PLAIN:
            raise ConfigError(f"There is no view {step!r}: {did_you_mean(step, VIEWS)}.")
    return x


def _cut(graph: Graph, x: Node, dim: int, part: slice) -> Node:
    index: tuple[Any, ...] = (Ellipsis, part, *[_ALL] * (-1 - dim))
    return graph.call_function(operator.getitem, (x, index))
