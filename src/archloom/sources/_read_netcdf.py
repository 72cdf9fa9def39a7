"""Variables of NetCDF and HDF5 files, decoded as their attributes say, read slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError, did_you_mean
from archloom.sources._extras import need
from archloom.task import existing, kind_of

_BROKEN = (OSError, ValueError, TypeError, IndexError, KeyError, RuntimeError, EOFError)
_PACKED = ("scale_factor", "add_offset")
_GAPS = ("_FillValue", "missing_value")


@dataclass(frozen=True)
class Variable:
    """One variable of a file: its axes by name (None where they have none) and how to read it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: tuple[str | None, ...]
    attributes: Mapping[str, Any]
    raw: Callable[[tuple[slice, ...]], Any]

    @property
    def packed(self) -> bool:
        """Whether the stored numbers are not the values: scaled, shifted, or with a fill value."""
        return any(name in self.attributes for name in (*_PACKED, *_GAPS))

    @property
    def is_text(self) -> bool:
        """Whether the variable holds text."""
        return self.dtype.kind in "OSU"

    def axis(self, sample_dim: str | int | None) -> int:
        """Give the axis of the samples: the dimension of that name or number, else the first."""
        if sample_dim is None:
            return 0
        known = list(self.dims)
        place = sample_dim if isinstance(sample_dim, int) else None
        if sample_dim in known:
            place = known.index(str(sample_dim))
        if place is None or not -len(self.shape) <= place < len(self.shape):
            names = ", ".join(str(name) for name in known)
            raise DataError(
                f"The variable {self.name!r} has no dimension {sample_dim!r}: it has {names}, of "
                f"shape {self.shape}."
            )
        return place % len(self.shape)

    def samples(self, cut: slice, axis: int) -> np.ndarray:
        """Give the samples of a slice, their axis first; packed values unpacked, gaps NaN."""
        where = [slice(None)] * len(self.shape)
        where[axis] = cut
        values = np.moveaxis(np.asarray(self.raw(tuple(where))), axis, 0)
        return _texts(values) if self.is_text else self._decoded(values)

    def _decoded(self, values: np.ndarray) -> np.ndarray:
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if str(_scalar(self.attributes.get("_Unsigned", ""))).lower() == "true":
            values = values.view(f"u{values.dtype.itemsize}")
        if not self.packed:
            return values
        gaps = np.zeros(values.shape, dtype=bool)
        for name in _GAPS:
            for gap in np.atleast_1d(self.attributes.get(name, ())):
                gaps |= values == np.asarray(gap).astype(values.dtype)
        scale = float(_scalar(self.attributes.get("scale_factor", 1.0)))
        offset = float(_scalar(self.attributes.get("add_offset", 0.0)))
        if values.dtype.kind in "iub" and not gaps.any() and (scale, offset) == (1.0, 0.0):
            return values
        decoded = values.astype(np.float64) * scale + offset
        return np.where(gaps, np.nan, decoded)


@contextmanager
def open_variables(path: str | Path) -> Iterator[dict[str, Variable]]:
    """Open a NetCDF (3, 64-bit offset, 4) or HDF5 file and give its variables by name.

    Variables inside groups are called group/name.

    Raises:
        DataError: when the file is missing, of another kind, or broken.
        MissingExtra: for HDF5 without h5py.
    """
    path = existing(path, "NetCDF or HDF5 file")
    kind, words = ("folder", "a folder") if path.is_dir() else kind_of(path)
    if kind not in ("hdf5", "netcdf"):
        raise DataError(
            f"{path} should be a NetCDF or HDF5 file, it is {words}: it may be truncated or of "
            f"another kind."
        )
    opened = _open_hdf5 if kind == "hdf5" else _open_classic
    try:
        with opened(path) as variables:
            yield variables
    except _BROKEN as error:
        raise DataError(
            f"{path} cannot be read as a {'NetCDF' if kind == 'netcdf' else 'HDF5'} file "
            f"({error}): it may be truncated, get it again."
        ) from error


def chosen(variables: Mapping[str, Variable], name: str, path: Path) -> Variable:
    """Give the variable of that name. Raises `DataError` that lists those there with shapes."""
    if name in variables:
        return variables[name]
    there = ", ".join(f"{v.name} {v.shape}" for v in variables.values()) or "no variables"
    hint = did_you_mean(name, variables).split("? ")[0]
    near = f"{hint}? " if hint.startswith("did you") else ""
    raise DataError(f"{path.name} has no variable {name!r}: {near}It holds {there}.")


@contextmanager
def _open_hdf5(path: Path) -> Iterator[dict[str, Variable]]:
    h5py = need("h5py", "netcdf", "Reading HDF5 and NetCDF 4 files")
    with h5py.File(path, "r") as file:
        found: dict[str, Variable] = {}

        def collect(name: str, node: Any) -> None:
            if isinstance(node, h5py.Dataset) and node.shape and node.dtype.kind in "buifOS":
                dims = tuple(_dimension(dim, node.file) for dim in node.dims)
                attributes = {
                    key: node.attrs[key]
                    for key in (*_PACKED, *_GAPS, "_Unsigned")
                    if key in node.attrs
                }
                found[name] = Variable(
                    name, node.shape, node.dtype, dims, attributes, node.__getitem__
                )

        file.visititems(collect)
        yield found


def _dimension(dim: Any, file: Any) -> str | None:
    """Give the name of a dimension: the scale that is attached to it, or its label."""
    if len(dim):
        return str(dim[0].name).rpartition("/")[2]
    return str(dim.label) or None


@contextmanager
def _open_classic(path: Path) -> Iterator[dict[str, Variable]]:
    from scipy.io import netcdf_file  # takes a while to import, and only this needs it

    with netcdf_file(path, "r", mmap=False) as file:
        yield {
            name: Variable(
                name,
                tuple(variable.shape),
                np.dtype(variable.data.dtype),
                tuple(variable.dimensions),
                dict(variable._attributes),
                variable.data.__getitem__,
            )
            for name, variable in file.variables.items()
            if variable.shape
        }


def _texts(values: np.ndarray) -> np.ndarray:
    """Give text of bytes or of an axis of single letters."""
    if values.dtype.kind == "S" and values.dtype.itemsize == 1 and values.ndim > 1:
        joined = [b"".join(row.reshape(-1).tolist()) for row in values]
        values = np.array(joined, dtype=object)
    flat = [v.decode() if isinstance(v, bytes) else str(v) for v in values.reshape(-1).tolist()]
    return np.array([text.rstrip("\0 ") for text in flat]).reshape(values.shape)


def _scalar(value: Any) -> Any:
    flat = np.asarray(value).reshape(-1)
    value = flat[0] if len(flat) else value
    return value.decode() if isinstance(value, bytes) else value
