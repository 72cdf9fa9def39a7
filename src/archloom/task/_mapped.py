"""Data larger than memory: arrays in files that are mapped into memory page by page."""

from __future__ import annotations

import math
import mmap
import os
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError
from archloom.task._data import Split, map_tensors

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}

_CHUNK = 1 << 25  # bytes that are copied or converted at a time


def parse_bytes(size: str | int | float) -> int:
    """Give a number of bytes, written as a number or as text with a unit.

    Raises:
        ConfigError: for anything else.

    >>> parse_bytes("2 GB"), parse_bytes("512 MiB"), parse_bytes(1e6)
    (2000000000, 536870912, 1000000)
    """
    if isinstance(size, int | float) and not isinstance(size, bool) and size > 0:
        return int(size)
    found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]I?)?B?\s*", str(size).upper())
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if not found or number <= 0:
        raise ConfigError(
            f"An amount of memory is a number of bytes or text such as '2 GB', got {size!r}."
        )
    return int(number * _UNITS[found[2] or ""])


def available_memory() -> int:
    """Give the bytes of memory that can be had without swapping, as far as the system tells.

    A limit on the process's control group (a container's, a batch job's) counts too.
    """
    free = _meminfo() or 4 << 30
    limit, used = (_number(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    return free if limit is None or used is None else max(min(free, limit - used), 1 << 20)


def _meminfo() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:  # no Linux
        return None
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else None


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):  # no such control group, or "max": no limit
        return None


def default_cache() -> Path:
    """Give the folder for rows that do not fit into memory: `~/.cache/archloom/rows`.

    `$ARCHLOOM_CACHE` names another one.
    """
    named = os.environ.get("ARCHLOOM_CACHE")
    return Path(named).expanduser() if named else Path("~/.cache/archloom/rows").expanduser()


@dataclass(frozen=True)
class Room:
    """How many bytes of data may lie in memory, and the folder for the rest.

    >>> Room.of("1 KB").fits(2000)
    False
    """

    limit: int
    folder: Path

    @classmethod
    def of(cls, memory: str | int | float | None = None, cache: str | Path | None = None) -> Room:
        """Give the room that the options `memory` and `cache` of a source ask for.

        Without `memory`, half of what is available may be taken.
        """
        limit = available_memory() // 2 if memory is None else parse_bytes(memory)
        return cls(limit, default_cache() if cache is None else Path(cache).expanduser())

    def fits(self, size: int) -> bool:
        """Say whether so many bytes may lie in memory."""
        return size <= self.limit

    def empty(self, shape: Sequence[int], dtype: Any, *, total: int | None = None) -> np.ndarray:
        """Give an array to fill: in memory when it fits, else in a file that goes with it.

        `total` is the size of all arrays that belong together, where this is one of several.

        Raises:
            DataError: when the disk has no room for it.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if self.fits(size if total is None else total) or not size:
            return np.empty(shape, dtype)
        make_folder(self.folder)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            reserve(file, size, self.folder)
            return np.memmap(file, dtype=dtype, mode="r+", shape=tuple(shape))

    def take(self, tensor: Tensor, index: Tensor) -> Tensor:
        """Give copies of the rows at `index`: in memory when the whole tensor would fit."""
        size = tensor.numel() * tensor.element_size()
        if self.fits(size) or tensor.device.type != "cpu":
            return tensor.index_select(0, index.to(tensor.device))
        rows = self._like(tensor, len(index), tensor.dtype, size)
        for cut in row_slices(rows):
            rows[cut] = tensor.index_select(0, index[cut])
        return rows

    def convert(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """Give the values as another dtype: in memory when they fit."""
        size = tensor.numel() * dtype.itemsize
        if tensor.dtype == dtype or self.fits(size) or tensor.device.type != "cpu":
            return tensor.to(dtype)
        rows = self._like(tensor, len(tensor), dtype, size)
        for cut in row_slices(rows):
            rows[cut] = tensor[cut].to(dtype)
        return rows

    def contiguous(self, tensor: Tensor) -> Tensor:
        """Give the values in the plain order of the axes; what would not fit stays as it is."""
        size = tensor.numel() * tensor.element_size()
        return tensor.contiguous() if self.fits(size) or tensor.device.type != "cpu" else tensor

    def _like(self, tensor: Tensor, count: int, dtype: torch.dtype, total: int) -> Tensor:
        # numpy has no bfloat16: the file holds plain bytes
        shape = (count, *tensor.shape[1:])
        size = math.prod(shape) * dtype.itemsize
        raw = self.empty((size,), np.uint8, total=total)
        return torch.from_numpy(raw).view(dtype).reshape(shape)


def take_rows(whole: Split, index: Tensor, room: Room) -> Split:
    """Give the samples at `index`, copied; inputs that do not fit into the room stay in files."""
    inputs = map_tensors(lambda tensor: room.take(tensor, index), whole.inputs)
    return Split(inputs, whole.targets.index_select(0, index))


def row_slices(rows: Tensor | np.ndarray) -> list[slice]:
    """Cut the first axis into pieces of about 32 MB each.

    >>> len(row_slices(np.empty((5, 1 << 24))))
    5
    """
    row = max(1, math.prod(rows.shape[1:]) * rows.dtype.itemsize)
    step = max(1, _CHUNK // row)
    return [slice(start, start + step) for start in range(0, len(rows), step)]


def make_folder(folder: Path) -> None:
    """Make the cache folder. Raises `DataError` when that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"Data larger than memory= are kept in the folder {folder}, which cannot be made "
            f"({error.strerror}): name another one with cache= or $ARCHLOOM_CACHE."
        ) from error


def reserve(file: IO[bytes], size: int, folder: Path) -> None:
    """Take the disk space of `size` more bytes now: a full disk under a map would kill us later.

    Raises:
        DataError: when the disk has no room for them.
    """
    start = file.tell()
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), start, size)
        else:  # Windows takes the space when the length is set
            file.truncate(start + size)
    except OSError as error:
        raise DataError(
            f"Data larger than memory= are kept in {folder}, which has no room for {size:,} bytes "
            f"({error.strerror}): free some space, name a folder on another disk with cache= or "
            f"$ARCHLOOM_CACHE, or allow more memory with memory=."
        ) from error


def map_rows(path: Path, offset: int, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Map a part of a file: pages are read when touched, and writing never reaches the file."""
    mapping = _private(path)
    return np.ndarray(tuple(shape), np.dtype(dtype), mapping, offset)


def keep_mapped(array: np.ndarray) -> np.ndarray:
    """Give a read-only mapped array as one that torch may point at, still mapped.

    Torch cannot mark a tensor as read-only, and writing to one would end the process. The file
    is mapped once more, privately: what is written then stays in memory.
    """
    root = _root(array)
    if root is None or array.flags.writeable or not isinstance(root.filename, str | Path):
        return array
    here = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    mapping = _private(Path(root.filename))
    return np.ndarray(array.shape, array.dtype, mapping, root.offset + here, strides=array.strides)


def is_mapped(array: Any) -> bool:
    """Say whether the values lie in a mapped file."""
    return isinstance(array, np.ndarray) and _root(array) is not None


def _root(array: Any) -> np.memmap[Any, Any] | None:
    """Give the array that the file was opened as: only its offset is to be trusted."""
    root = None
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            root = array
        array = array.base
    return root


def _private(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        if sys.platform == "win32":
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        return mmap.mmap(
            file.fileno(),
            0,
            flags=mmap.MAP_PRIVATE | _no_reserve(),
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )


def _no_reserve() -> int:
    """MAP_NORESERVE: without it Linux refuses private maps of files larger than its memory."""
    known: int | None = getattr(mmap, "MAP_NORESERVE", None)
    if known is not None:
        return known
    common = platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64", "i686", "riscv64")
    return 0x4000 if sys.platform == "linux" and common else 0
