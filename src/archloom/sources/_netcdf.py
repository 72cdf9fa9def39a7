"""Task from variables of a NetCDF or HDF5 file; those larger than memory go by way of a cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError
from archloom.sources._read_netcdf import Variable, chosen, open_variables
from archloom.task import Room, Task, cached_rows, existing, from_arrays, json_source, row_slices


def from_netcdf(
    path: str | Path,
    inputs: str | Sequence[str],
    targets: str | Sequence[str],
    *,
    sample_dim: str | int | None = None,
    fill: float | None = None,
    predict: Any = None,
    valid: float | str | Path = 0.1,
    test: float | str | Path | None = None,
    seed: int = 0,
    memory: str | int | float | None = None,
    cache: str | Path | None = None,
    **settings: Any,
) -> Task:
    """Take variables of a NetCDF (classic or 4) or HDF5 file as inputs and targets.

    One variable is given as `from_arrays` takes arrays. Several of one shape become the channels
    of one input, or the columns of a table where they hold a number a sample; of different shapes
    they are inputs of their own, by name. Variables inside groups are called group/name.

    `sample_dim` is the dimension that counts the samples, by name or number, the first unless
    told otherwise. Packed values are unpacked (scale_factor, add_offset); fill values of inputs
    become `fill`, and are refused where that is not given. Targets are numbers, classes or
    labels as `from_arrays` sees it (`predict` is its `target`); grids of them become columns.

    `valid` and `test` are fractions, or files of their own. Inputs larger than `memory` are read
    slice by slice into the folder `cache` and mapped from there. Further settings are those of
    `from_arrays`.

    Raises:
        DataError: for files that cannot be read and variables that are not there; the message
            lists those that are, with their shapes.
        MissingExtra: for HDF5 without h5py.

    >>> import tempfile
    >>> h5py = __import__("h5py")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with h5py.File(Path(folder) / "sheets.h5", "w") as file:
    ...         file["cuts"] = np.random.default_rng(0).random((40, 12, 20))
    ...         file["stress"] = np.linspace(0.0, 1.0, 40)
    ...     from_netcdf(Path(folder) / "sheets.h5", "cuts", "stress", valid=0.2)
    Task('sheets', 32/8/0, shape=(1, 12, 20), numbers=1)
    """
    path = existing(path, "NetCDF or HDF5 file")
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    wanted = [targets] if isinstance(targets, str) else list(targets)
    if not names or not wanted:
        raise ConfigError("inputs= and targets= name variables of the file, one was empty.")
    both = sorted(set(names) & set(wanted))
    if both:
        raise ConfigError(f"{both[0]!r} cannot be an input and a target at once.")
    options: dict[str, Any] = {"inputs": inputs, "targets": targets, "sample_dim": sample_dim}
    options |= {"fill": fill, "predict": predict, "seed": seed, "memory": memory, "cache": cache}
    parts = {"valid": _absolute(valid), "test": _absolute(test)}
    source = json_source("netcdf", path=path, **options, **parts, **settings)
    reading = _Reading(names, wanted, sample_dim, fill, Room.of(memory, cache))
    X, y, columns = reading.read(path)
    given: dict[str, Any] = {
        part: reading.read(Path(value))[:2] if isinstance(value, str) else value
        for part, value in parts.items()
    }
    if len(names) > 1 and isinstance(X, np.ndarray) and X.ndim > 2:
        settings.setdefault("layout", {3: "NCL", 4: "NCHW", 5: "NCDHW"}.get(X.ndim, "auto"))
    if columns is not None and predict in (None, "numbers", "labels"):
        settings.setdefault("class_names", columns)
    settings.setdefault("name", path.stem)
    return from_arrays(
        X,
        y,
        target=predict,
        seed=seed,
        memory=memory,
        cache=cache,
        **{"source": source, **given, **settings},
    )


def _absolute(value: Any) -> Any:
    if isinstance(value, str | Path):
        return str(existing(value, "NetCDF or HDF5 file"))
    return value


class _Reading:
    """Which variables are read, and how; the same for every file of a task."""

    def __init__(
        self,
        inputs: Sequence[str],
        targets: Sequence[str],
        sample_dim: str | int | None,
        fill: float | None,
        room: Room,
    ) -> None:
        self._inputs, self._targets = inputs, targets
        self._sample_dim, self._fill, self._room = sample_dim, fill, room

    def read(self, path: Path) -> tuple[Any, Any, list[str] | None]:
        """Give inputs, targets, and the names of the targets' columns where there are several."""
        with open_variables(path) as variables:
            each = [chosen(variables, name, path) for name in self._inputs]
            wanted = [chosen(variables, name, path) for name in self._targets]
            count = self._count([*each, *wanted])
            y, columns = self._targets_of(wanted, count)
            return self._inputs_of(each, count, path), y, columns

    def _count(self, each: Sequence[Variable]) -> int:
        counts = {v.name: v.shape[v.axis(self._sample_dim)] for v in each}
        if len(set(counts.values())) > 1:
            shapes = ", ".join(f"{v.name} {v.dims} {v.shape}" for v in each)
            raise DataError(
                f"Every variable has one value or array a sample, these count the samples "
                f"differently: {shapes}. Name the dimension of the samples: sample_dim=."
            )
        return next(iter(counts.values()))

    def _inputs_of(self, each: Sequence[Variable], count: int, path: Path) -> Any:
        for variable in each:
            if variable.is_text:
                raise DataError(f"Inputs are numbers, the variable {variable.name!r} holds text.")
        if len({self._shape(variable) for variable in each}) == 1:
            return self._stacked(each, count, path)
        return {
            variable.name.replace("/", "_"): self._stacked([variable], count, path)
            for variable in each
        }

    def _shape(self, variable: Variable) -> tuple[int, ...]:
        """Give the shape of one sample."""
        axis = variable.axis(self._sample_dim)
        return variable.shape[:axis] + variable.shape[axis + 1 :]

    def _stacked(self, each: Sequence[Variable], count: int, path: Path) -> np.ndarray:
        """Give the variables as one array, of several a channel each; in memory or mapped."""
        inner = self._shape(each[0])
        channels = () if len(each) == 1 and inner else (len(each),)
        plain = all(v.dtype == np.uint8 and not v.packed for v in each)

        def fill(rows: np.ndarray) -> None:
            for cut in row_slices(rows):
                for place, variable in enumerate(each):
                    values = self._filled(variable, cut)
                    target = rows[cut, place] if channels else rows[cut]
                    target[...] = values

        rows, _ = cached_rows(
            fill,
            (count, *channels, *inner),
            np.uint8 if plain else np.float32,
            room=self._room,
            files=[path],
            options={
                "variables": [variable.name for variable in each],
                "sample_dim": self._sample_dim,
                "fill": self._fill,
            },
            name=f"{path.stem}-{each[0].name.replace('/', '-')}",
        )
        return rows

    def _filled(self, variable: Variable, cut: slice) -> np.ndarray:
        values = variable.samples(cut, variable.axis(self._sample_dim))
        if not variable.packed or values.dtype.kind != "f":
            return values
        gaps = np.isnan(values)
        if gaps.any() and self._fill is None:
            raise DataError(
                f"The input {variable.name!r} has {int(gaps.sum())} missing values (fill values of "
                f"the file) from sample {cut.start} on: give fill=, the number to put there, or "
                f"leave those samples out."
            )
        return np.where(gaps, self._fill or 0.0, values)

    def _targets_of(
        self, wanted: Sequence[Variable], count: int
    ) -> tuple[np.ndarray, list[str] | None]:
        columns, names = [], []
        for variable in wanted:
            values = variable.samples(slice(None), variable.axis(self._sample_dim))
            self._check_target(variable, values)
            flat = values.reshape(count, -1)
            columns.append(flat)
            names += _column_names(variable.name, flat.shape[1])
        if len(names) == 1:
            return columns[0][:, 0], None
        if any(variable.is_text for variable in wanted):
            raise DataError("Several targets are numbers or labels of 0 and 1, one holds text.")
        return np.concatenate(columns, 1), names

    def _check_target(self, variable: Variable, values: np.ndarray) -> None:
        if values.dtype.kind != "f":
            return
        gone = np.isnan(values.reshape(len(values), -1)).any(1)
        if gone.any():
            raise DataError(
                f"The target {variable.name!r} is missing in {int(gone.sum())} of {len(gone)} "
                f"samples, first in sample {int(np.flatnonzero(gone)[0])}: leave those out."
            )


def _column_names(name: str, width: int) -> list[str]:
    return [name] if width == 1 else [f"{name}[{index}]" for index in range(width)]
