"""The files that NAS-Bench-201 and NATS-Bench come in."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError
from archloom.tables._nats import Record, columns_of_records, records_of_json, records_of_states

_PACKED = ".pickle.pbz2"
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)


def read_folder(folder: Path) -> dict[str, list[Any]]:
    """Read the folder of files that NATS-Bench's fast mode uses, one for each architecture.

    Raises:
        DataError: when it is no such folder, or one of its files is damaged.
    """
    files = sorted(p for p in folder.glob(f"*{_PACKED}") if p.name != f"meta{_PACKED}")
    if not files:
        raise DataError(
            f"A folder of NATS-Bench holds meta{_PACKED} and 000000{_PACKED}, 000001{_PACKED}, "
            f"..., {folder} does not."
        )

    def records() -> Iterator[Record]:
        for file in files:
            yield from _checked(records_of_states, {file.name: _unpacked(file)}, file)

    return columns_of_records(records(), str(folder))


def read_packed(path: Path) -> dict[str, list[Any]]:
    """Read NATS-Bench as one file, `.pickle.pbz2`."""
    return _of_whole(_unpacked(path), path)


def read_pth(path: Path) -> dict[str, list[Any]]:
    """Read NAS-Bench-201 as one file, `.pth`."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as a benchmark's .pth file of plain data ({error}): it may be "
            f"truncated, or hold objects that could run code. Get it again."
        ) from error
    return _of_whole(content, path)


def read_json(path: Path) -> Any:
    """Read a JSON file, packed with gzip or not."""
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        return json.loads(data)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}): get it again.") from error


def columns_of_json(content: Any, path: Path) -> dict[str, Any] | None:
    """Give the columns of NATS-Bench records in JSON, None when it is something else."""
    entries = list(content.values())[:1] if isinstance(content, Mapping) else []
    if not entries or not isinstance(entries[0], Mapping) or "arch_str" not in entries[0]:
        return None
    records = _checked(records_of_json, content, path)
    return dict(columns_of_records(records, str(path)))


def _of_whole(content: Any, path: Path) -> dict[str, list[Any]]:
    if not isinstance(content, Mapping) or "arch2infos" not in content:
        raise DataError(
            f"A file of NAS-Bench-201 or NATS-Bench holds `arch2infos`, {path} does not."
        )
    records = _checked(records_of_states, content["arch2infos"], path)
    return columns_of_records(records, str(path))


def _checked(read: Callable[[Any], Iterator[Record]], content: Any, path: Path) -> Iterator[Record]:
    try:
        yield from read(content)
    except _BROKEN as error:
        raise DataError(
            f"{path} does not hold records as NATS-Bench writes them "
            f"({type(error).__name__}: {error}): it may be of another version. Get it again."
        ) from error


# -- pickles, without running what they ask for ----------------------------------------------


def _unpacked(path: Path) -> Any:
    try:
        data = bz2.decompress(path.read_bytes())
        return _Plain(io.BytesIO(data), path).load()
    except (OSError, EOFError, pickle.UnpicklingError, *_BROKEN) as error:
        raise DataError(
            f"{path} cannot be read as a packed pickle ({error}): it may be truncated. "
            f"Get it again."
        ) from error


class _Plain(pickle.Unpickler):
    """Knows by name only what numbers in dicts are made of."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        home = module.replace("numpy._core", "numpy.core")
        if (home, name) not in _KNOWN:
            raise DataError(
                f"{self._path} holds {module}.{name}, which a benchmark's numbers do not need and "
                f"which could run code: it is not read."
            )
        return _KNOWN[home, name]


def _scalar(kind: np.dtype[Any], data: bytes) -> Any:
    """Rebuild a NumPy number from its bytes."""
    if kind.kind not in "biuf":
        raise ValueError(f"a number of {kind}")
    return np.frombuffer(data, kind)[0]


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "set"): set,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
}
