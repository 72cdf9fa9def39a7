"""What samples are: images, volumes, series, tables or text."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._data import leaves, map_tensors

KINDS: Final = ("image", "volume", "series", "table", "text", "mixed")
"""What a task's samples can be; `mixed` are several inputs."""

CODES: Final = ("text", "categories")
"""Kinds of inputs that are whole numbers and stay so."""

_AXES: Final = {"image": 4, "volume": 5, "series": 3, "table": 2, "text": 2, "categories": 2}


def input_kind(tensor: Tensor) -> str:
    """Tell the kind of a prepared input: by its axes, and int64 or int32 in two axes is text.

    >>> input_kind(torch.zeros(5, 3, 8, 8)), input_kind(torch.zeros(5, 7, dtype=torch.int64))
    ('image', 'text')
    """
    if tensor.ndim == 2 and tensor.dtype in (torch.int64, torch.int32):
        return "text"
    found = {axes: kind for kind, axes in _AXES.items() if kind not in CODES}
    return found.get(tensor.ndim, "table")


def kinds_of(raw: Any, kind: Any) -> Any:
    """Give the kind of each input, None where the axes are to tell, in the form of the inputs.

    Of a table in several inputs, those of int64 or int32 are categories.
    """
    several = isinstance(raw, dict | tuple)
    if not isinstance(kind, dict | tuple | list):
        one = None if kind == "mixed" else kind
        kind = map_tensors(lambda _: one, raw)
    return map_tensors(_categories, raw, kind) if several else kind


def _categories(member: Any, kind: str | None) -> str | None:
    dtype = str(getattr(member, "dtype", "")).removeprefix("torch.")
    return "categories" if kind == "table" and dtype in ("int64", "int32") else kind


def completed_kinds(inputs: Any, kind: Any) -> Any:
    """Give the kind of each prepared input: the one given, else the one that its axes tell."""
    return map_tensors(
        lambda tensor, given: given or input_kind(tensor), inputs, kinds_of(inputs, kind)
    )


def overall_kind(kinds: Any) -> str:
    """Give the kind of a task from those of its inputs: a table may come in two, else `mixed`.

    >>> overall_kind({"numbers": "table", "categories": "categories"})
    'table'
    >>> overall_kind(("image", "image"))
    'mixed'
    """
    found = [kind for _, kind in leaves(kinds)]
    if "categories" in found and set(found) <= {"table", "categories"}:
        return "table"
    return str(found[0]) if len(found) == 1 else "mixed"


def check_kind(kind: Any) -> None:
    """Raise `ConfigError` unless `kind` is None, a kind, or a tree of kinds."""
    known = (*KINDS, "categories")
    for _, one in leaves(kind):
        if one is not None and one not in known:
            raise ConfigError(f"There is no kind of data {one!r}: {did_you_mean(str(one), known)}.")


def require_kind(kind: str | None, tensor: Tensor, where: str) -> None:
    """Raise `DataError` unless a prepared tensor has the axes of the kind."""
    if kind is not None and tensor.ndim != _AXES[kind]:
        raise DataError(
            f"Inputs of kind {kind!r} have {_AXES[kind]} axes, samples first, {where} has shape "
            f"{tuple(tensor.shape)}."
        )
