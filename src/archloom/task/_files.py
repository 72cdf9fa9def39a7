"""Find data files, and describe where a task came from."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archloom.errors import DataError


def existing(path: str | Path, what: str) -> Path:
    """Give the absolute path. Raises `DataError` when nothing is there."""
    found = Path(path).expanduser()
    if not found.exists():
        folder = found.parent
        near = sorted(p.name for p in folder.iterdir())[:10] if folder.is_dir() else []
        beside = (
            f"{folder} holds: {', '.join(near) or 'nothing'}"
            if folder.is_dir()
            else (f"there is no folder {folder} either")
        )
        raise DataError(f"There is no {what} {found}; {beside}.")
    return found.resolve()


def data_folders(name: str, *others: str) -> list[Path]:
    """Give where a named data set is looked for: $ARCHLOOM_DATA, the user's cache, `others`."""
    roots = [Path(os.environ["ARCHLOOM_DATA"])] if os.environ.get("ARCHLOOM_DATA") else []
    roots.append(Path("~/.cache/archloom").expanduser())
    return [root / name for root in roots] + [Path(other) for other in others]


def first_existing(folders: Sequence[Path]) -> Path | None:
    """Give the first folder that is there."""
    return next((folder for folder in folders if folder.is_dir()), None)


def json_source(source: str, /, **options: Any) -> dict[str, Any] | None:
    """Describe a source so that `load` can build it again, None when JSON cannot hold it.

    The `name` of the description is that of the source; a name for the task is its `title`.

    >>> json_source("npz", path=Path("cells.npz"), name="cells", seed=0, test=None)
    {'name': 'npz', 'path': 'cells.npz', 'seed': 0, 'title': 'cells'}
    """
    kept = {k: str(v) if isinstance(v, Path) else v for k, v in options.items() if v is not None}
    if "name" in kept:
        kept["title"] = kept.pop("name")
    try:
        json.dumps(kept)
    except TypeError:
        return None
    return {"name": source, **kept}
