"""Arrays of any common layout to tensors with samples first and channels second."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._data import Inputs, leaves

_ORDERS: dict[str, tuple[int, ...]] = {
    "NF": (0, 1),
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


def to_inputs(raw: Any, layout: str | Any = "auto", *, where: str, plain: bool = False) -> Inputs:
    """Give tensors (N, C, ...) or (N, F) of an array, or of a tuple or dict of arrays.

    The dtypes uint8, float16, bfloat16 and float32 are kept, all other numbers become float32.
    With `plain` the arrays are taken as they are, dtype, rank and all.
    `where` names the split in messages.

    Raises:
        DataError: for NaN, infinite, non-numeric or ragged values, or a rank that does not fit.
    """
    if isinstance(raw, dict):
        layouts = layout if isinstance(layout, dict) else dict.fromkeys(raw, layout)
        return {k: _member(v, layouts[k], f"{where}[{k!r}]", plain) for k, v in raw.items()}
    if isinstance(raw, tuple):
        each = layout if isinstance(layout, tuple | list) else [layout] * len(raw)
        return tuple(_member(v, each[i], f"{where}[{i}]", plain) for i, v in enumerate(raw))
    return _member(raw, layout, where, plain)


def _member(raw: Any, layout: str, where: str, plain: bool) -> Tensor:
    tensor = _tensor(raw, where)
    _check_finite(tensor, where)
    if not plain:
        if tensor.dtype not in _KEPT:
            tensor = tensor.float()
            _check_finite(tensor, f"{where}, in float32,")
        tensor = _arranged(tensor, layout, where)
    return tensor.contiguous()


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
    if array.dtype.kind in "ui" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array = np.ascontiguousarray(array)
    return array if array.flags.writeable else array.copy()


def _arranged(tensor: Tensor, layout: str, where: str) -> Tensor:
    if layout == "auto":
        layout = _guessed(tensor, where)
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


def _guessed(tensor: Tensor, where: str) -> str:
    """The rule for "auto": see `from_arrays`."""
    match tensor.ndim:
        case 2:
            return "NF"
        case 3:
            return "NHW"
        case 4 | 5:
            first, last = tensor.shape[1], tensor.shape[-1]
            if first == last:
                raise DataError(
                    f"Which axis of {where} holds the channels cannot be told from shape "
                    f"{tuple(tensor.shape)}: give layout="
                    f"{'NCHW, NHWC or NDHW' if tensor.ndim == 4 else 'NCDHW or NDHWC'}."
                )
            inner = "HW" if tensor.ndim == 4 else "DHW"
            return f"NC{inner}" if first < last else f"N{inner}C"
    raise DataError(
        f"Inputs have 2 axes (samples, features) to 5 (samples, channels, depth, height, width), "
        f"{where} has shape {tuple(tensor.shape)}. One feature: reshape(-1, 1)."
    )


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
