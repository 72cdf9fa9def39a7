"""Task from IDX files, the format of MNIST; gzipped ones too."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError
from archloom.task._arrays import from_arrays
from archloom.task._files import existing, json_source
from archloom.task._task import Task

# LeCun, Cortes and Burges, "The MNIST database": the third byte of the magic number
_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}

_PARTS = {
    "train_images": ("train-images", "train_images"),
    "train_labels": ("train-labels", "train_labels"),
    "test_images": ("t10k-images", "test-images", "test_images"),
    "test_labels": ("t10k-labels", "test-labels", "test_labels"),
}


def from_idx(
    files: str | Path | Mapping[str, str | Path],
    *,
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> Task:
    """Read a folder of IDX files, or a mapping of train_images, train_labels, test_* to files.

    In a folder, files are known by their names (`train-images*`, `t10k-labels*`, ...), packed
    with gzip or not. The fraction `valid` of the training samples becomes the validation split;
    without test files there is a test split only if the fraction `test` asks for one.
    Further settings are those of `from_arrays`.

    Raises:
        DataError: when a file is missing, truncated or not in the IDX format.
    """
    paths = _paths(files)
    arrays = {part: read_idx(path) for part, path in paths.items()}
    given = dict(settings)
    given["test"] = test
    if "test_images" in arrays:
        given["test"] = (arrays["test_images"], arrays["test_labels"])
    given.setdefault("name", paths["train_images"].parent.name)
    where: Any = {part: str(path) for part, path in paths.items()}
    if not isinstance(files, Mapping):
        where = existing(files, "folder")
    if "source" not in given:
        options = {"valid": valid, "test": test, "seed": seed, **settings}
        given["source"] = json_source("idx", files=where, **options)
    return from_arrays(
        arrays["train_images"], arrays["train_labels"], valid=valid, seed=seed, **given
    )


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, packed with gzip or not, checking its magic number and its length.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     read_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    path = existing(path, "IDX file")
    data = _unpacked(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES or not data[3]:
        raise DataError(
            f"An IDX file starts with two zero bytes, a type and a number of axes; {path} starts "
            f"with {data[:4].hex(' ') or 'nothing'}. Is it another format?"
        )
    axes, dtype = data[3], np.dtype(_DTYPES[data[2]])
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    wanted = start + math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise DataError(
            f"{path} should hold {wanted} bytes for an array of shape {shape}, it holds "
            f"{len(data)}: the file is {'truncated' if len(data) < wanted else 'too long'}. "
            f"Get it again."
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): get it again.") from error


def _paths(files: str | Path | Mapping[str, str | Path]) -> dict[str, Path]:
    if isinstance(files, Mapping):
        unknown = sorted(set(files) - set(_PARTS))
        if unknown:
            raise DataError(f"IDX files are named {', '.join(_PARTS)}, got {', '.join(unknown)}.")
        found = {part: existing(path, "IDX file") for part, path in files.items()}
        where = "the mapping"
    else:
        folder = existing(files, "folder")
        found = _in_folder(folder)
        where = f"{folder} ({', '.join(sorted(p.name for p in folder.iterdir())) or 'empty'})"
    wanted = ["train_images", "train_labels"]
    wanted += ["test_images", "test_labels"] if any(p.startswith("test") for p in found) else []
    for part in wanted:
        if part not in found:
            raise DataError(f"IDX data need a file {_PARTS[part][0]}*, there is none in {where}.")
    return found


def _in_folder(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; give the folder of the four IDX files.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        for part, words in _PARTS.items():
            if part not in found and any(word in path.name for word in words):
                found[part] = path
    return found
