"""Task from an `.npz` file: in the layout of MedMNIST, or of X and y."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom import plugins
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
    *("class_names", "class_name", "groups"),
)
_PLAIN = (("X", "y"), ("x", "y"), ("series", "labels"), ("images", "labels"), ("data", "target"))
_SPLITS = {"train": ("", "_train"), "val": ("_val", "_valid", "_validation"), "test": ("_test",)}
"""Other names of the arrays: pairs of inputs and targets, and what may follow them."""

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

    Or `X` and `y` and, where present, `X_val`, `y_val`, `X_test`, `y_test` and `groups`; `x`,
    `X_train` and the like will do. X of two axes is then a table as `from_table` makes it, whose
    encoder fills what is missing; with `kind="series"` it is one of series as of `from_series`;
    anything else is images or volumes by its axes.

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
    other = _source_of(path, settings.get("kind"))
    if other is not None:
        asked = {"valid": valid, "test": test, "seed": seed, **_as_encoded(settings)}
        task: Task = plugins.find("data", other)(path, **asked)
        return task
    arrays = read_npz(path, Room.of(memory, cache))
    given = dict(settings)
    if "groups" in arrays:
        given.setdefault("groups", arrays["groups"])
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


def _source_of(path: Path, kind: Any) -> str | None:
    """Give the source that encodes X and y by what it learns of them, None for all other files."""
    refuse_other(path, "zip", "an npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            names = _names(entries)
            if names.get("train_images") in (None, "train_images"):
                return None
            axes = len(_member(archive, entries[names["train_images"]], path).shape)
    except _BROKEN:
        return None  # reading it says what is wrong
    if kind == "series":
        return "series"
    return "table" if kind == "table" or (kind is None and axes == 2) else None


def _as_encoded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings of `from_arrays` as sources with an encoder call them."""
    kept = {name: value for name, value in settings.items() if name not in ("kind", "target")}
    return {**kept, "predict": settings["target"]} if "target" in settings else kept


def read_npz(path: Path, room: Room) -> Mapping[str, np.ndarray]:
    """Read the arrays by MedMNIST's names, images larger than the room mapped from its folder.

    X and y get these names, too.

    Raises:
        DataError: when the file is of another kind or layout, truncated, damaged, or when it
            unpacks to far more than it is.
    """
    refuse_other(path, "zip", "an npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            names = _names(entries)
            _check_keys(path, set(names), set(entries))
            members = {key: _member(archive, entries[name], path) for key, name in names.items()}
            _check_size(path, members.values(), room)
            large = {key for key in members if key.endswith("_images")}
            fits = room.fits(sum(members[key].size for key in large))
            return {
                key: _read(archive, member, path, room, fits=fits or key not in large)
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


def _entries(archive: zipfile.ZipFile) -> dict[str, _Entry]:
    found = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    keys = [info.filename.removesuffix(".npy") for info in found]
    return {key: _Entry(key, info) for key, info in zip(keys, found, strict=True)}


def _names(keys: Iterable[str]) -> dict[str, str]:
    """Give what the file calls the arrays that are read, by MedMNIST's names of them."""
    keys = set(keys)
    known = {key: key for key in _KEYS if key in keys}
    if any(key.endswith(("_images", "_labels")) for key in known):
        return known
    for inputs, targets in _PLAIN:
        pairs = {"images": inputs, "labels": targets}
        found = {
            f"{split}_{part}": f"{name}{suffix}"
            for split, suffixes in _SPLITS.items()
            for part, name in pairs.items()
            for suffix in suffixes
            if f"{name}{suffix}" in keys
        }
        if "train_images" in found and "train_labels" in found:
            return {**found, **known}
    return known


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
    if fits or member.fortran:
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


def _check_keys(path: Path, keys: set[str], held: set[str]) -> None:
    for split in ("train", "val", "test"):
        pair = {f"{split}_images", f"{split}_labels"}
        if (split == "train" or pair & keys) and not pair <= keys:
            raise DataError(
                f"An npz file of data holds X and y, perhaps with X_val, y_val, X_test, y_test; or "
                f"in the layout of MedMNIST train_images, train_labels and perhaps val_* and "
                f"test_*; {path} lacks {', '.join(sorted(pair - keys))}. It holds: "
                f"{', '.join(sorted(held)) or 'nothing'}."
            )


def _class_names(arrays: Mapping[str, np.ndarray]) -> list[str] | None:
    for key in ("class_names", "class_name"):
        if key in arrays:
            return [str(name) for name in arrays[key]]
    return None
