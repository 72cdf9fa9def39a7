"""A task by the name of its data set, by a path, or by the description that a task carries."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archloom import plugins
from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._arrays import from_arrays
from archloom.task._idx import from_idx
from archloom.task._npz import from_npz
from archloom.task._task import Task


def load(spec: str | Path, **options: Any) -> Task:
    """Make a task of a data set's name, an `.npz` file or a folder of IDX files.

    Options are those of the source and of `from_arrays`.

    Raises:
        ConfigError: for a name or an option that is not known.
        DataError: for files that are missing or cannot be read.

    >>> load("digits", seed=3)
    Task('digits', 1079/359/359, shape=(1, 8, 8), classes=10)
    """
    if isinstance(spec, str) and spec in plugins.known("data"):
        return _call(plugins.find("data", spec), spec, options)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _call(from_idx, "idx", {"files": path, **options})
    if path.suffix == ".npz":
        return _call(from_npz, "npz", {"path": path, **options})
    if path.exists():
        raise DataError(
            f"Data come from an .npz file or a folder of IDX files, {path} is neither. Other "
            f"formats: read them to arrays and use archloom.task.from_arrays."
        )
    if path.suffix or len(path.parts) > 1:
        raise DataError(f"There is no file or folder {path}.")
    found: Task = plugins.find("data", str(spec))(**options)  # raises with the nearest name
    return found


def rebuild(source: Mapping[str, Any]) -> Task:
    """Make the task again that carries this description as its `source`.

    Raises:
        ConfigError: for a source or an option that is not known.
        DataError: for files that are missing or cannot be read.

    >>> task = load("digits", seed=3)
    >>> rebuild(task.source).fingerprint == task.fingerprint
    True
    """
    options = dict(source)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(f"A description of data needs a name, got {dict(source)!r}.")
    return _call(plugins.find("data", name), name, options)


def _call(source: Any, name: str, options: Mapping[str, Any]) -> Task:
    known = _parameters(source)
    if known is not None:
        for option in options:
            if option not in known:
                raise ConfigError(
                    f"The data source {name!r} has no option {option!r}: "
                    f"{did_you_mean(option, known)}."
                )
        missing = [
            parameter
            for parameter, default in known.items()
            if default is inspect.Parameter.empty and parameter not in options
        ]
        if missing:
            raise ConfigError(f"The data source {name!r} needs {', '.join(missing)}.")
    task: Task = source(**options)
    return task


def _parameters(source: Any) -> dict[str, Any] | None:
    """Give the options of a source with their defaults, None where it takes any.

    A built-in source that passes further settings on takes those of `from_arrays` too.
    """
    own = inspect.signature(source).parameters.values()
    named = {p.name: p.default for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD}
    if len(named) == len(own):
        return named
    if not getattr(source, "__module__", "").startswith("archloom."):
        return None
    further = inspect.signature(from_arrays).parameters.values()
    hidden = {"X", "y", "source"}
    return {**{p.name: p.default for p in further if p.name not in hidden}, **named}
