"""Architectures as benchmarks write them: one text each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from archloom.errors import DataError

Labels = Mapping[str, Any]

_CELL_OPERATIONS: Final = (
    *("nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3"),
    "none",
)
_WIDTHS: Final = tuple(range(8, 65, 8))
_EDGE: Final = re.compile(r"([^|~+\s]+)~(\d+)")
_SIZES: Final = re.compile(r"\d+(:\d+)+")


def reader_of(text: str) -> Callable[[str], Labels] | None:
    """Give the function that reads texts like this one, None where none does.

    >>> reader_of("|none~0|+|none~0|none~1|")("|nor_conv_3x3~0|")
    {'cell.edge0to1': 'nor_conv_3x3'}
    >>> reader_of("64:48")("8:16"), reader_of('{"width": 16}')('{"width": 8}')
    ({'width0': 8, 'width1': 16}, {'width': 8})
    """
    text = text.strip()
    if text.startswith("|") and "~" in text:
        return from_cell
    if _SIZES.fullmatch(text):
        return from_sizes
    return from_json if text.startswith("{") else None


def options_of(label: str) -> Sequence[Any]:
    """Give the values that a label has in its benchmark, also those that a table does not have.

    >>> options_of("width0"), options_of("cell.edge0to1")[-1], options_of("depth")
    ((8, 16, 24, 32, 40, 48, 56, 64), 'none', ())
    """
    if label.startswith("cell.edge"):
        return _CELL_OPERATIONS
    return _WIDTHS if re.fullmatch(r"width\d", label) else ()


def from_cell(text: str) -> Labels:
    """Read a cell of NAS-Bench-201; the labels are those of `archloom.zoo.nasbench201`."""
    values: dict[str, Any] = {}
    for target, node in enumerate(text.strip().split("+"), start=1):
        edges = _EDGE.findall(node)
        said = "|" + "".join(f"{name}~{source}|" for name, source in edges)
        if said != node or [int(source) for _, source in edges] != list(range(target)):
            raise DataError(
                f"An architecture of NAS-Bench-201 reads |operation~0|+|operation~0|operation~1|"
                f"+..., each node with an edge from every one before it, got {text!r}."
            )
        values |= {f"cell.edge{source}to{target}": name for name, source in edges}
    return values


def from_sizes(text: str) -> Labels:
    """Read the widths of NATS-Bench's size space: `64:48:8:16:32`."""
    if not _SIZES.fullmatch(text.strip()):
        raise DataError(f"Widths read NUMBER:NUMBER:..., got {text!r}.")
    return {f"width{place}": int(size) for place, size in enumerate(text.strip().split(":"))}


def from_json(text: str) -> Labels:
    """Read a JSON mapping of labels to values."""
    try:
        read = json.loads(text)
    except ValueError as error:
        raise DataError(f"An architecture must be valid JSON ({error}), got {text!r}.") from error
    if not isinstance(read, dict):
        raise DataError(f"An architecture is a JSON mapping of labels to values, got {text!r}.")
    return read
