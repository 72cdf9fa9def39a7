"""Rows that are read once and kept: in memory when they fit, else in a cache of mapped files."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.task._mapped import Room, make_folder, map_rows, reserve

_FORMAT = 1


def cached_rows(
    fill: Callable[[np.ndarray], Any],
    shape: Sequence[int],
    dtype: Any,
    *,
    room: Room,
    files: Iterable[Path],
    options: Mapping[str, Any],
    name: str = "rows",
) -> tuple[np.ndarray, Any]:
    """Give an array that `fill` has filled, and what `fill` gave back (which JSON must hold).

    An array that fits into the room is filled in memory. A larger one is filled once in a file of
    the room's folder, beside a JSON file that says what it was made of, and mapped from there.
    The next call with the same `options` and the same `files` (path, size and time of change)
    finds it. Remove the folder's files whenever you like.

    Raises:
        DataError: when the disk has no room for the rows.

    >>> rows, note = cached_rows(
    ...     lambda rows: rows.fill(7), (2, 3), "u1", room=Room.of("1 MB"), files=[], options={}
    ... )
    >>> rows.tolist(), note
    ([[7, 7, 7], [7, 7, 7]], None)
    """
    kind = np.dtype(dtype)
    if room.fits(math.prod(shape) * kind.itemsize):
        rows = np.empty(shape, kind)
        return rows, fill(rows)
    about = {
        "format": _FORMAT,
        "name": name,
        "shape": list(shape),
        "dtype": kind.str,
        "options": json.loads(json.dumps(dict(options), default=str)),
        "files": _fingerprint(files),
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    path = room.folder / f"{name}-{key}.npy"
    known = _known(path, about)
    if known is None:
        known = _write(path, about, fill, tuple(shape), kind)
    return _mapped(path), known["note"]


def _fingerprint(files: Iterable[Path]) -> dict[str, Any]:
    digest, count, size = hashlib.sha256(), 0, 0
    for path in files:
        state = path.stat()
        digest.update(f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}\n".encode())
        count, size = count + 1, size + state.st_size
    return {"count": count, "bytes": size, "digest": digest.hexdigest()}


def _known(path: Path, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the description of finished rows; None where they must be made (again)."""
    try:
        found = json.loads(path.with_suffix(".json").read_text())
        complete = path.stat().st_size == found["size"]
    except (OSError, ValueError, KeyError, TypeError):  # missing, cut off, or of another version
        return None
    same = all(found.get(key) == value for key, value in about.items())
    return found if complete and same else None


def _write(
    path: Path,
    about: Mapping[str, Any],
    fill: Callable[[np.ndarray], Any],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> dict[str, Any]:
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "r+b") as file:
            header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            reserve(file, math.prod(shape) * dtype.itemsize, path.parent)
            rows = np.memmap(file, dtype, "r+", file.tell(), shape)
        note = fill(rows)
        rows.flush()
        del rows
        done = {**about, "size": part.stat().st_size, "note": note}
        text = part.with_suffix(".json")
        text.write_text(json.dumps(done, indent=1))
        os.replace(part, path)
        os.replace(text, path.with_suffix(".json"))  # last: what it describes is complete
    finally:
        part.unlink(missing_ok=True)
        part.with_suffix(".json").unlink(missing_ok=True)
    return done


def _mapped(path: Path) -> np.ndarray:
    opened = np.load(path, mmap_mode="r")
    return map_rows(path, opened.offset, opened.shape, opened.dtype)
