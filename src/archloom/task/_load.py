"""A task by the name of its data set, by a path, or by the description that a task carries."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archloom import plugins
from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._arrays import from_arrays
from archloom.task._recognise import source_of_object, source_of_path
from archloom.task._task import Task


def load(spec: Any, **options: Any) -> Task:
    """Make a task of a data set's name, a file or folder, or data in memory.

    A path is recognised by what is there: `.npz` and `.npy` files, IDX, CIFAR, folders of images
    or DICOM files, CSV and Parquet tables, NetCDF and HDF5 files, saved Hugging Face datasets.
    In memory, a pair (X, y) of arrays or tensors, a torch `Dataset`, a pandas frame and a Hugging
    Face dataset are taken. Options are those of the source and of `from_arrays`.

    Raises:
        ConfigError: for a name or an option that is not known.
        DataError: for files that are missing or cannot be read.

    >>> load("digits", seed=3)
    Task('digits', 1079/359/359, shape=(1, 8, 8), classes=10)
    """
    if isinstance(spec, str) and spec in plugins.known("data") and not _is_path(spec, options):
        return _call(plugins.find("data", spec), spec, options)
    if not isinstance(spec, str | Path):
        name, given = source_of_object(spec)
        return _call(from_arrays if name == "arrays" else _found(name), name, {**given, **options})
    path = Path(spec).expanduser()
    if path.exists():
        name, parameter = source_of_path(path)
        return _call(_found(name), name, {parameter: path, **options})
    if path.suffix or len(path.parts) > 1:
        near = sorted(p.name for p in path.parent.iterdir())[:10] if path.parent.is_dir() else []
        beside = f"; {path.parent} holds: {', '.join(near)}" if near else ""
        raise DataError(f"There is no file or folder {path}{beside}.")
    found: Task = _found(str(spec))(**options)  # raises with the nearest name
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
    if "title" in options:
        options["name"] = options.pop("title")
    return _call(_found(name), name, options)


def _is_path(name: str, options: Mapping[str, Any]) -> bool:
    """Say whether a source's name is meant as a path: one is there, and the source needs one."""
    known = _parameters(_found(name)) if Path(name).exists() else None
    empty = inspect.Parameter.empty
    return any(d is empty and p not in options for p, d in (known or {}).items())


def _found(name: str) -> Any:
    return plugins.find("data", name)


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
            raise ConfigError(_needs(name, missing))
    task: Task = source(**options)
    return task


def _needs(name: str, missing: list[str]) -> str:
    """Say what a source lacks, and how each door takes it."""
    flags = ["--target COLUMN" if p == "target" else f"--set {p}=..." for p in missing]
    given = "".join(f", {p}: ..." for p in missing)
    return (
        f"The data source {name!r} needs {', '.join(missing)}: pass it as {' '.join(flags)} to "
        f"`archloom fit`, as {', '.join(f'{p}=...' for p in missing)} in Python, or in a settings "
        f"file as `data: {{name: {name}{'' if 'path' in missing else ', path: ...'}{given}}}`."
    )


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
