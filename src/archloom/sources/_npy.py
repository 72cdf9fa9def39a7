"""Arrays saved one a file by `numpy.save`, opened in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError
from archloom.task import Task, existing, from_arrays, json_source, refuse_other

_SPLITS = {
    "train": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
}
_INPUTS = ("x", "images", "inputs", "data", "features")
_TARGETS = ("y", "labels", "targets", "target", "label")


def from_npy(
    path: str | Path,
    labels: str | Path | None = None,
    *,
    valid: float | tuple[str | Path, str | Path] = 0.1,
    test: float | tuple[str | Path, str | Path] | None = None,
    seed: int = 0,
    **settings: Any,
) -> Task:
    """Read inputs and targets from `.npy` files: two of them, or a folder of files by name.

    In a folder, inputs are called `X`, `images`, `inputs` or `data` and targets `y`, `labels` or
    `targets`, alone or with `train`, `val` and `test` before or after (`X_train.npy`,
    `test_labels.npy`). `valid` and `test` may also be pairs of files. Inputs are mapped and stay
    in their file as far as possible: see `memory` of `from_arrays`, whose settings are taken.

    Raises:
        DataError: when files are missing, truncated, of another kind or hold Python objects.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "X.npy", np.zeros((20, 8, 8), dtype=np.uint8))
    ...     np.save(Path(folder) / "y.npy", np.arange(20) % 2)
    ...     from_npy(folder, name="grey")
    Task('grey', 18/2/0, shape=(1, 8, 8), classes=2)
    """
    path = existing(path, "npy file or folder")
    pairs: dict[str, Any] = {"valid": valid, "test": test}
    if path.is_dir():
        found = _in_folder(path)
        train = found.pop("train")
        pairs |= found
    else:
        if labels is None:
            raise ConfigError(f"{path} holds the inputs; name the file of the targets as labels=.")
        train = (path, existing(labels, "npy file"))
    parts: dict[str, Any] = {
        name: _pair(part) if isinstance(part, tuple | list) else part
        for name, part in pairs.items()
    }
    given = {"name": path.stem, **settings}
    if "source" not in given:
        where = {"path": path, "labels": None if labels is None else Path(labels).resolve()}
        options = {"valid": _text(valid), "test": _text(test), "seed": seed, **settings}
        given["source"] = json_source("npy", **where, **options)
    X, y = _pair(train)
    return from_arrays(X, y, **parts, seed=seed, **given)


def open_npy(path: str | Path) -> np.ndarray:
    """Open an `.npy` file in place, its header checked. Raises `DataError` for other files."""
    path = existing(path, "npy file")
    refuse_other(path, "npy", "an npy file")
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read as an npy file of numbers ({error}). It may be truncated or "
            f"hold pickled objects: get it again, or save it with np.save from a plain array."
        ) from error
    return array


def _pair(files: Any) -> tuple[np.ndarray, np.ndarray]:
    if len(files) != 2:
        raise ConfigError(f"A split is a pair of files (inputs, targets), got {len(files)}.")
    return open_npy(files[0]), np.array(open_npy(files[1]))


def _text(part: Any) -> Any:
    return [str(Path(file).resolve()) for file in part] if isinstance(part, tuple | list) else part


def _in_folder(folder: Path) -> dict[str, tuple[Path, Path]]:
    files: dict[tuple[str, str], Path] = {}
    for file in sorted(folder.glob("*.npy")):
        words = file.stem.lower().replace("-", "_").split("_")
        split = next((_SPLITS[word] for word in words if word in _SPLITS), "train")
        rest = [word for word in words if word not in _SPLITS]
        if len(rest) == 1 and rest[0] in (*_INPUTS, *_TARGETS):
            files[split, "inputs" if rest[0] in _INPUTS else "targets"] = file
    pairs = {}
    for split in ("train", "valid", "test"):
        pair = files.get((split, "inputs")), files.get((split, "targets"))
        if pair[0] and pair[1]:
            pairs[split] = pair[0], pair[1]
        elif split == "train" or pair[0] or pair[1]:
            names = ", ".join(sorted(file.name for file in folder.glob("*.npy")))
            raise DataError(
                f"A folder of npy files holds X.npy and y.npy, or such pairs with train, val and "
                f"test in their names; of {split}, {folder} lacks "
                f"{'inputs' if not pair[0] else 'targets'}. It holds {names or 'none'}."
            )
    return pairs
