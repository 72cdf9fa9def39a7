"""Tables in `.npz` files: those that `Table.save` writes, and arrays of one row an architecture."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.errors import DataError
from archloom.space import Space
from archloom.tables._table import Table

_COLUMN = "column:"


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Give the arrays of a file. Raises `DataError` for a damaged one or one that holds objects."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as an .npz file of plain arrays ({error}): it may be truncated "
            f"or hold Python objects. Get it again, or save plain arrays."
        ) from error


def saved_table(arrays: Mapping[str, NDArray[Any]]) -> Table | None:
    """Give the table that `Table.save` wrote, None for other arrays."""
    if "space" not in arrays or not any(name.startswith(_COLUMN) for name in arrays):
        return None
    fidelities = json.loads(str(arrays["fidelities"]))
    return Table(
        tuple(Architecture.from_json(json.loads(text)) for text in arrays["architecture"].tolist()),
        {n.removeprefix(_COLUMN): v for n, v in arrays.items() if n.startswith(_COLUMN)},
        Space.from_json(json.loads(str(arrays["space"]))),
        str(arrays["name"]),
        {column: tuple((s, n) for s, n in steps) for column, steps in fidelities.items()},
    )


def columns_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Give one column an array of the most common length.

    An array with a second axis becomes `NAME[PART]`, a column each; the parts are called by the
    one text array of that length, or by number. Where an array `..._index` names rows, arrays of
    its length are put there, NaN elsewhere.
    """
    lengths = [array.shape[0] for array in arrays.values() if array.ndim]
    if not lengths:
        raise DataError("An .npz table needs an array with a row for each architecture.")
    rows = max(lengths)
    columns: dict[str, NDArray[Any]] = {}
    for name, array in _spread(arrays, rows).items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2 and array.dtype.kind in "biuf":
            parts = _parts(arrays, array.shape[1])
            columns |= {f"{name}[{part}]": array[:, at] for at, part in enumerate(parts)}
    return columns


def _spread(arrays: Mapping[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
    full = {name: array for name, array in arrays.items() if array.shape[:1] == (rows,)}
    for key, index in arrays.items():
        if not key.endswith("_index") or index.ndim != 1 or index.dtype.kind not in "iu":
            continue
        for name, array in arrays.items():
            if name != key and name not in full and array.shape[:1] == index.shape:
                if array.dtype.kind not in "biuf":
                    continue
                full[name] = np.full((rows, *array.shape[1:]), np.nan)
                full[name][index] = array
    return full


def _parts(arrays: Mapping[str, NDArray[Any]], count: int) -> list[str]:
    texts = [a for a in arrays.values() if a.shape == (count,) and a.dtype.kind == "U"]
    return texts[0].tolist() if len(texts) == 1 else [str(place) for place in range(count)]
