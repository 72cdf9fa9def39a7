"""How data that were handed over in memory become a file that `archloom search` reads alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import yaml

from archloom.automl._build import Prepared, valid_share

_FILE: Final = "my_data.npz"
_HEAD: Final = "X and y were handed over in memory. To run this from the command line, "


def advice(
    door: Any, X: Any, y: Any, prepared: Prepared, *, validation: bool, groups: bool
) -> tuple[str, ...]:
    """Give lines that say how to save the data, and the settings that read them as the door did.

    Args:
        X: the inputs as they were given; an array of them fits into one file.
        validation: whether validation data were given.
        groups: whether groups were.
    """
    kind = door._kind
    if kind in ("image", "table", "series") and _is_array(X, kind):
        return _as_arrays(door, y, prepared, validation=validation, groups=groups)
    if kind in ("table", "text"):
        column = "text: COLUMN, " if kind == "text" else ""
        path = "texts" if kind == "text" else "path"
        return (
            f"{_HEAD}write X and y",
            "as columns of a CSV file, and put this in here:",
            f"data: {{name: {kind}, {path}: my_data.csv, {column}target: COLUMN}}",
        )
    return (
        f"{_HEAD}write a function",
        "that gives their Task, and name it: by an entry point in the group archloom.data.",
    )


def _as_arrays(
    door: Any, y: Any, prepared: Prepared, *, validation: bool, groups: bool
) -> tuple[str, ...]:
    arrays = ["X=X", "y=np.array(y, dtype=str)" if _holds_objects(y) else "y=y"]
    arrays += ["X_val=X_val", "y_val=y_val"] if validation else []
    arrays += ["groups=groups"] if groups else []
    settings = {"data": _settings(door, prepared, validation=validation)}
    line = yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, width=10_000)
    return (
        f"{_HEAD}save them,",
        f"  np.savez({_FILE!r}, {', '.join(arrays)})",
        "and put this in here:",
        line.strip().removeprefix("{").removesuffix("}"),
    )


def _holds_objects(y: Any) -> bool:
    return not hasattr(y, "detach") and np.asarray(y).dtype.kind == "O"


def _is_array(X: Any, kind: str) -> bool:
    """Whether X is an array of numbers, or of text in a table, that needs no pickle to be saved."""
    if hasattr(X, "detach"):
        return True
    if isinstance(X, list) and kind == "table":
        X = np.array(X, dtype=object if isinstance(X[0], Mapping) else None)
    held = "biufUM" if kind == "table" else "biuf"
    return isinstance(X, np.ndarray) and X.ndim > 1 and X.dtype.kind in held


def _settings(door: Any, prepared: Prepared, *, validation: bool) -> dict[str, Any]:
    """Give the source and its options, without those that it has by itself."""
    task, kind = prepared.task, door._kind
    found: dict[str, Any] = {"name": "npz" if kind == "image" else kind}
    found["X" if kind == "series" else "path"] = _FILE
    found["target" if kind == "image" else "predict"] = prepared.answers.kind
    if kind == "image":
        found |= {"kind": task.kind, "augment_ops": list(task.augment_ops)}
    if kind != "table" and door.layout != "auto":
        found["layout"] = door.layout
    if not validation:
        found["valid"] = valid_share(len(task.train) + len(task.valid))
    if door.seed:
        found["seed"] = int(door.seed)
    if door.class_weights is not None:
        found["class_weights"] = _plain(door.class_weights)
    return found


def _plain(weights: Any) -> Any:
    if isinstance(weights, str):
        return weights
    if hasattr(weights, "items"):
        return {str(name): float(weight) for name, weight in weights.items()}
    return [float(weight) for weight in weights]
