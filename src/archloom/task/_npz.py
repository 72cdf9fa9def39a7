"""Task from an `.npz` file in the layout of MedMNIST."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError
from archloom.task._arrays import from_arrays
from archloom.task._files import existing, json_source
from archloom.task._task import Task

_BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError)

_KEYS = (
    *("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    *("class_names", "class_name"),
)


def from_npz(
    path: str | Path,
    *,
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> Task:
    """Read `train_images`, `train_labels` and, where present, `val_*` and `test_*`.

    Without `val_*`, the fraction `valid` of the training samples becomes the validation split;
    without `test_*` there is a test split only if the fraction `test` asks for one.
    `class_name` or `class_names` in the file name the classes. No pickle is ever read.
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
    arrays = _read(path)
    given = dict(settings)
    if "class_names" not in given and "classes" not in given:
        given["class_names"] = _class_names(arrays)
    for split, fraction in (("val", valid), ("test", test)):
        own = f"{split}_images" in arrays
        pair = (arrays[f"{split}_images"], arrays[f"{split}_labels"]) if own else fraction
        given["valid" if split == "val" else "test"] = pair
    given.setdefault("name", path.stem)
    options = {"valid": valid, "test": test, "seed": seed, **settings}
    given["source"] = json_source("npz", path=path, **options)
    return from_arrays(arrays["train_images"], arrays["train_labels"], seed=seed, **given)


def _read(path: Path) -> Mapping[str, np.ndarray]:
    try:
        with path.open("rb") as raw:  # np.load itself leaves a broken file open
            file = np.load(raw, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is a single array, not an npz file of named arrays.")
            _check_keys(path, set(file.files))
            return {key: file[key] for key in _KEYS if key in file.files}
    except _BROKEN as error:
        raise DataError(
            f"{path} cannot be read as an npz file of plain arrays ({error}). It may be truncated "
            f"or hold pickled objects: get it again, or save it with np.savez(path, "
            f"train_images=..., train_labels=...)."
        ) from error


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
