"""Arrays of any common layout to tensors with samples first and channels second."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._data import Inputs, leaves
from archloom.task._kinds import CODES, require_kind
from archloom.task._mapped import Room, is_mapped, keep_mapped

_ORDERS: dict[str, tuple[int, ...]] = {
    "NF": (0, 1),
    "NL": (0, -1, 1),
    "NHW": (0, -1, 1, 2),
    "NCHW": (0, 1, 2, 3),
    "NHWC": (0, 3, 1, 2),
    "NCL": (0, 1, 2),
    "NLC": (0, 2, 1),
    "NDHW": (0, -1, 1, 2, 3),
    "NCDHW": (0, 1, 2, 3, 4),
    "NDHWC": (0, 4, 1, 2, 3),
}
"""Layout -> the axes in our order; -1 is a channel axis of size one to put in."""

_KEPT = (torch.uint8, torch.float16, torch.bfloat16, torch.float32)


def to_inputs(
    raw: Any,
    layout: str | Any = "auto",
    *,
    where: str,
    plain: bool | Any = False,
    kind: str | Any = None,
    room: Room | None = None,
) -> Inputs:
    """Give tensors (N, C, ...) or (N, F) of an array, or of a tuple or dict of arrays.

    The dtypes uint8, float16, bfloat16 and float32 are kept, all other numbers become float32.
    With `plain` the arrays are taken as they are, dtype, rank and all. `kind` says what they are,
    where the axes leave that open; text stays whole numbers. Several arrays have a `layout`,
    `plain` and `kind` each, or share one. What does not fit into the `room` goes to files.
    `where` names the split in messages.

    Raises:
        DataError: for NaN, infinite, non-numeric or ragged values, or a rank that does not fit.
    """
    room = room or Room.of()
    if isinstance(raw, dict):
        layouts, plains, kinds = (each_of(raw, given) for given in (layout, plain, kind))
        return {
            k: _member(v, layouts[k], f"{where}[{k!r}]", plains[k], kinds[k], room)
            for k, v in raw.items()
        }
    if isinstance(raw, tuple):
        layouts, plains, kinds = (each_of(raw, given) for given in (layout, plain, kind))
        return tuple(
            _member(v, layouts[i], f"{where}[{i}]", plains[i], kinds[i], room)
            for i, v in enumerate(raw)
        )
    return _member(raw, layout, where, plain, kind, room)


def each_of(tree: Any, given: Any) -> Any:
    """Give a setting for each member of a tree, where one for all or one for each was given.

    Raises:
        ConfigError: when those given do not fit the members.

    >>> each_of({"a": 0, "b": 0}, True), each_of((0, 0), [True, False])
    ({'a': True, 'b': True}, [True, False])
    """
    if isinstance(tree, dict):
        if not isinstance(given, dict):
            return dict.fromkeys(tree, given)
        for key in (*tree, *given):
            if key not in tree or key not in given:
                raise ConfigError(
                    f"Settings of several inputs name each of them once: "
                    f"{did_you_mean(str(key), map(str, tree))}; got {given!r}."
                )
        return given
    if not isinstance(tree, tuple):
        return given
    if not isinstance(given, tuple | list):
        return [given] * len(tree)
    if len(given) != len(tree):
        raise ConfigError(f"{len(tree)} inputs need as many settings, got {given!r}.")
    return given


def _member(raw: Any, layout: str, where: str, plain: bool, kind: str | None, room: Room) -> Tensor:
    if kind in CODES:
        return _codes(raw, where)
    tensor = _tensor(raw, where)
    _check_finite(tensor, where)
    if not plain:
        if tensor.dtype not in _KEPT:
            tensor = room.convert(tensor, torch.float32)
            _check_finite(tensor, f"{where}, in float32,")
        tensor = _arranged(tensor, layout, where, kind)
    require_kind(kind, tensor, where)
    return room.contiguous(tensor)


def _codes(raw: Any, where: str) -> Tensor:
    tensor = _tensor(raw, where)
    _check_finite(tensor, where)
    if tensor.ndim != 2 or tensor.dtype == torch.bool:
        raise DataError(
            f"Text and categories are whole numbers of shape (samples, length), {where} has shape "
            f"{tuple(tensor.shape)} and dtype {tensor.dtype}."
        )
    whole = tensor.long()
    if tensor.is_floating_point() and not bool((whole == tensor).all()):
        raise DataError(f"Text and categories are whole numbers, {where} holds fractions.")
    if bool((whole < 0).any()):
        raise DataError(
            f"Numbers of tokens and categories start at 0, {where} holds {int(whole.min())}. Give "
            f"padding, or what is missing, a number of its own, such as 0."
        )
    return whole.contiguous()


def _tensor(raw: Any, where: str) -> Tensor:
    if isinstance(raw, Tensor):
        tensor = raw.detach()
    else:
        array = _numeric(raw, where)
        tensor = torch.from_numpy(array)
    if tensor.is_complex():
        raise DataError(
            f"Inputs must be real numbers, got {tensor.dtype} in {where}: give the real and the "
            f"imaginary part as two channels."
        )
    if tensor.ndim and not len(tensor):
        raise DataError(f"A split must hold samples, {where} has none.")
    return tensor


def _numeric(raw: Any, where: str) -> np.ndarray:
    try:
        array = np.asarray(raw)
    except ValueError as error:
        raise DataError(f"Samples must all have one shape, those of {where} differ.") from error
    if array.dtype.kind not in "buifc":
        raise DataError(
            f"Inputs must be numbers, got dtype {array.dtype} in {where}. If the samples are "
            f"arrays of one shape, stack them with np.stack; turn text columns into numbers."
        )
    # torch knows neither foreign byte order nor most unsigned integers, nor negative strides
    if is_mapped(array) and _known_to_torch(array):
        return keep_mapped(array)
    if array.dtype.kind in "ui" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array = np.ascontiguousarray(array)
    return array if array.flags.writeable else array.copy()


def _known_to_torch(array: np.ndarray) -> bool:
    native = array.dtype.isnative and array.dtype.char in "?bBhHiIqlefd"
    return native and all(stride >= 0 for stride in array.strides)


def _arranged(tensor: Tensor, layout: str, where: str, kind: str | None) -> Tensor:
    if layout == "auto":
        layout = _guessed(tensor, where, kind)
    if layout not in _ORDERS:
        raise ConfigError(
            f"There is no layout {layout!r}: {did_you_mean(layout, [*_ORDERS, 'auto'])}."
        )
    if tensor.ndim != len(layout):
        raise DataError(
            f"The layout {layout} has {len(layout)} axes, {where} has shape {tuple(tensor.shape)}."
        )
    order = _ORDERS[layout]
    if -1 in order:
        return tensor.unsqueeze(1)
    return tensor.permute(order)


_BARE: dict[tuple[str | None, int], str] = {
    (None, 2): "NF",
    (None, 3): "NHW",
    ("table", 2): "NF",
    ("image", 3): "NHW",
    ("series", 2): "NL",
    ("volume", 4): "NDHW",
}
"""Kind and number of axes -> the layout of arrays without a channel axis."""

_INNER: dict[tuple[str | None, int], str] = {
    (None, 4): "HW",
    (None, 5): "DHW",
    ("image", 4): "HW",
    ("series", 3): "L",
    ("volume", 5): "DHW",
}
"""Kind and number of axes -> the axes beside samples and channels."""


def _guessed(tensor: Tensor, where: str, kind: str | None) -> str:
    """The rule for "auto": see `from_arrays`."""
    given = (kind, tensor.ndim)
    if given in _BARE:
        return _BARE[given]
    if given in _INNER:
        inner = _INNER[given]
        first, last = tensor.shape[1], tensor.shape[-1]
        if first != last:
            return f"NC{inner}" if first < last else f"N{inner}C"
        ask = f"NC{inner} or N{inner}C"
        raise DataError(
            f"Which axis of {where} holds the channels cannot be told from shape "
            f"{tuple(tensor.shape)}: give layout="
            f"{'NCHW, NHWC or NDHW' if given == (None, 4) else ask}."
        )
    if kind is not None:
        raise DataError(
            f"Inputs of kind {kind!r} have {_ranks(kind)} axes with the samples, {where} has shape "
            f"{tuple(tensor.shape)}."
        )
    raise DataError(
        f"Inputs have 2 axes (samples, features) to 5 (samples, channels, depth, height, width), "
        f"{where} has shape {tuple(tensor.shape)}. One feature: reshape(-1, 1)."
    )


def _ranks(kind: str) -> str:
    return " or ".join(str(axes) for known, axes in (*_BARE, *_INNER) if known == kind)


def _check_finite(tensor: Tensor, where: str) -> None:
    """Stream over the values, so that the check needs no copy of the data."""
    if not tensor.is_floating_point():
        return
    count, first, step = 0, None, max(1, (1 << 22) // max(1, tensor[0].numel()))
    for start in range(0, len(tensor), step):
        bad = ~torch.isfinite(tensor[start : start + step])
        if bad.any():
            count += int(bad.sum())
            if first is None:
                index = bad.nonzero()[0].tolist()
                first = (start + index[0], *index[1:])
    if first is not None:
        raise DataError(
            f"Inputs must be finite numbers, {where} holds {count} NaN or infinite values, the "
            f"first ({float(tensor[first])}) at index {list(first)}. Fill or remove them."
        )


def check_same_length(inputs: Inputs, targets: Tensor, where: str) -> None:
    """Raise `DataError` unless every input and the targets hold the same number of samples."""
    for name, tensor in leaves(inputs):
        if len(tensor) != len(targets):
            raise DataError(
                f"Every sample needs one target: {where}{name} holds {len(tensor)} samples and "
                f"{len(targets)} labels."
            )
