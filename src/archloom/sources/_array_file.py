"""X and y of an `.npz` file, for the sources that learn how to encode them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archloom.task import Room, kind_of, read_npz


def is_array_file(path: Any) -> bool:
    """Whether it is the path of an `.npz` file, by its name or by what it holds."""
    if not isinstance(path, str | Path):
        return False
    place = Path(path).expanduser()
    return place.suffix.lower() == ".npz" or (place.is_file() and kind_of(place)[0] == "zip")


def read_arrays(
    path: Path, options: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Give X, y, and the settings `valid`, `test` and `groups`: the file's own, else those given.

    Raises:
        DataError: when the file is missing, damaged, or lacks X or y.
    """
    arrays = read_npz(path, Room.of())
    settings: dict[str, Any] = {}
    for split, name in (("val", "valid"), ("test", "test")):
        own = f"{split}_images" in arrays
        pair = (arrays[f"{split}_images"], arrays[f"{split}_labels"]) if own else None
        settings[name] = pair or options.get(name)
    groups = options.get("groups")
    settings["groups"] = arrays.get("groups") if groups is None else groups
    for name in ("class_names", "class_name"):
        if name in arrays:
            settings["class_names"] = [str(value) for value in arrays[name]]
    return arrays["train_images"], arrays["train_labels"], settings
