"""Task from an `.npz` file in the layout of MedMNIST."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError
from archloom.task._arrays import from_arrays
from archloom.task._cache import cached_rows
from archloom.task._files import existing, json_source
from archloom.task._mapped import Room, row_slices
from archloom.task._sniff import refuse_other
from archloom.task._task import Task

_BROKEN = (
    *(OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)

_KEYS = (
    *("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    *("class_names", "class_name"),
)

_BOMB = 200  # times larger than the file: more than pictures can be packed


def from_npz(
    path: str | Path,
    *,
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    memory: str | int | float | None = None,
    cache: str | Path | None = None,
    **settings: Any,
) -> Task:
    """Read `train_images`, `train_labels` and, where present, `val_*` and `test_*`.

    Without `val_*`, the fraction `valid` of the training samples becomes the validation split;
    without `test_*` there is a test split only if the fraction `test` asks for one.
    `class_name` or `class_names` in the file name the classes. Labels of one column are classes,
    of several columns of 0 and 1 (ChestMNIST) independent labels; images of three equal axes
    are volumes. No pickle is ever read.

    Images that unpack to more than `memory` (such as "2 GB"; half of what is free unless told
    otherwise) are unpacked once into the folder `cache` and mapped from there.
    Further settings are those of `from_arrays`.

    Raises:
        DataError: when the file is missing, truncated or of another layout.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "noise.npz"
    ...     X, y = np.zeros((20, 28, 28), dtype=np.uint8), np.arange(20).reshape(20, 1) % 2
    ...     np.savez(path, train_images=X, train_labels=y, test_images=X, test_labels=y)
    ...     from_npz(path)
    Task('noise', 18/2/20, shape=(1, 28, 28), classes=2)
    """
    path = existing(path, "npz file")
    arrays = read_npz(path, Room.of(memory, cache))
    given = dict(settings)
    if "class_names" not in given and "classes" not in given:
        given["class_names"] = _class_names(arrays)
    for split, fraction in (("val", valid), ("test", test)):
        own = f"{split}_images" in arrays
        pair = (arrays[f"{split}_images"], arrays[f"{split}_labels"]) if own else fraction
        given["valid" if split == "val" else "test"] = pair
    given.setdefault("name", path.stem)
    images = arrays["train_images"]
    if images.ndim == 4 and images.shape[1] == images.shape[3]:
        given.setdefault("layout", "NDHW")  # channels would be the last axis, and a small one
    limits: dict[str, Any] = {"memory": memory, "cache": cache}
    options = {"valid": valid, "test": test, "seed": seed, **limits, **settings}
    given.setdefault("source", json_source("npz", path=path, **options))
    return from_arrays(images, arrays["train_labels"], seed=seed, **limits, **given)


def read_npz(path: Path, room: Room) -> Mapping[str, np.ndarray]:
    """Read the arrays of MedMNIST's layout, images larger than the room mapped from its folder.

    Raises:
        DataError: when the file is of another kind or layout, truncated, damaged, or when it
            unpacks to far more than it is.
    """
    refuse_other(path, "zip", "an npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {part.key: part for part in map(_part, archive.infolist()) if part is not None}
            _check_keys(path, set(parts))
            members = {key: _member(archive, parts[key], path) for key in _KEYS if key in parts}
            _check_size(path, members.values(), room)
            pictures = sum(m.size for m in members.values() if m.key.endswith("_images"))
            return {
                key: _read(archive, member, path, room, fits=room.fits(pictures))
                for key, member in members.items()
            }
    except _BROKEN as error:
        raise DataError(
            f"{path} cannot be read as an npz file of plain arrays ({error}). It may be truncated "
            f"or hold pickled objects: get it again, or save it with np.savez(path, "
            f"train_images=..., train_labels=...)."
        ) from error


@dataclass(frozen=True)
class _Entry:
    key: str
    info: zipfile.ZipInfo


@dataclass(frozen=True)
class _Member(_Entry):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def _part(info: zipfile.ZipInfo) -> _Entry | None:
    name = info.filename
    return _Entry(name.removesuffix(".npy"), info) if name.endswith(".npy") else None


def _member(archive: zipfile.ZipFile, entry: _Entry, path: Path) -> _Member:
    with archive.open(entry.info) as file:
        shape, fortran, dtype = _header(file)
        member = _Member(entry.key, entry.info, shape, dtype, fortran)
        if dtype.hasobject:
            raise ValueError(f"{entry.key} holds Python objects, which only pickle could read")
        if file.tell() + member.size != entry.info.file_size:
            raise ValueError(f"{entry.key} is not as long as its shape {shape} says")
    return member


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _check_size(path: Path, members: Any, room: Room) -> None:
    size, packed = sum(member.size for member in members), path.stat().st_size
    if not room.fits(size) and size > _BOMB * packed:
        raise DataError(
            f"{path} of {packed:,} bytes unpacks to {size:,}, more than {_BOMB} times as much and "
            f"more than the {room.limit:,} bytes that may be taken: it looks like a decompression "
            f"bomb. If it is not, allow more with memory=."
        )


def _read(
    archive: zipfile.ZipFile, member: _Member, path: Path, room: Room, *, fits: bool
) -> np.ndarray:
    if fits or not member.key.endswith("_images") or member.fortran:
        with archive.open(member.info) as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
            return array

    def fill(rows: np.ndarray) -> None:
        with archive.open(member.info) as file:
            _header(file)
            for cut in row_slices(rows):
                chunk = rows[cut]
                data = file.read(chunk.nbytes)
                chunk[:] = np.frombuffer(data, member.dtype).reshape(chunk.shape)

    rows, _ = cached_rows(
        fill,
        member.shape,
        member.dtype,
        room=Room(0, room.folder),
        files=[path],
        options={"member": member.key},
        name=f"{path.stem}-{member.key}",
    )
    return rows


def _check_keys(path: Path, keys: set[str]) -> None:
    for split in ("train", "val", "test"):
        pair = {f"{split}_images", f"{split}_labels"}
        if (split == "train" or pair & keys) and not pair <= keys:
            raise DataError(
                f"An npz file in the layout of MedMNIST holds train_images, train_labels and "
                f"perhaps val_* and test_*; {path} lacks {', '.join(sorted(pair - keys))}. "
                f"It holds: {', '.join(sorted(keys)) or 'nothing'}."
            )


def _class_names(arrays: Mapping[str, np.ndarray]) -> list[str] | None:
    for key in ("class_names", "class_name"):
        if key in arrays:
            return [str(name) for name in arrays[key]]
    return None
