"""Read pickles of plain arrays, and nothing that could run code."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from archloom.errors import DataError


def plain_pickle(data: bytes, what: str) -> Any:
    """Give what a pickle of dicts, lists, text, bytes, numbers and number arrays holds.

    `what` names the file in messages. Text of Python 2 is given as bytes.

    Raises:
        DataError: for every other content, whose code is not run, and for damaged data.

    >>> plain_pickle(pickle.dumps({"labels": [1, 2]}), "batch")
    {'labels': [1, 2]}
    >>> plain_pickle(pickle.dumps(print), "batch")
    Traceback (most recent call last):
    archloom.errors.DataError: batch holds builtins.print, which a file of plain arrays does not...
    """
    try:
        return _Plain(io.BytesIO(data), what).load()
    except (
        *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError),
        *(IndexError, MemoryError, OverflowError),
    ) as error:
        raise DataError(
            f"{what} cannot be read as a pickle of plain arrays ({error}): it may be truncated or "
            f"of another format. Get it again."
        ) from error


class _Plain(pickle.Unpickler):
    """Knows by name only what arrays of numbers are made of."""

    def __init__(self, file: io.BytesIO, what: str) -> None:
        super().__init__(file, encoding="bytes")
        self._what = what

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        home = module.replace("numpy._core", "numpy.core")
        found: Callable[..., Any] | None = _KNOWN.get((home, name))
        if found is None:
            raise DataError(
                f"{self._what} holds {module}.{name}, which a file of plain arrays does not need "
                f"and which could run code: it is not read. Save the arrays with np.savez instead."
            )
        return found


def _latin(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes into pickles of protocol 2."""
    if encoding != "latin1":
        raise ValueError(f"bytes in the encoding {encoding}")
    return text.encode("latin1")


def _number_dtype(kind: Any, *flags: Any) -> np.dtype[Any]:
    # copied, since the pickle goes on to set the byte order of what it gets
    dtype = np.dtype(kind.decode() if isinstance(kind, bytes) else str(kind), False, True)
    if dtype.kind not in "buif":
        raise ValueError(f"arrays of {dtype}")
    return dtype


def _array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    return np.ndarray((0,), np.uint8)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """How protocol 5 writes arrays."""
    return np.frombuffer(data, dtype).reshape(shape, order=order).copy()


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _number_dtype,
    ("_codecs", "encode"): _latin,
}
