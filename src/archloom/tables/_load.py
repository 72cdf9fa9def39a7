"""Read a table from a file, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from archloom.errors import ConfigError, DataError
from archloom.space import Space
from archloom.tables._build import Duplicates, table_of
from archloom.tables._nats_files import (
    columns_of_json,
    read_folder,
    read_json,
    read_packed,
    read_pth,
)
from archloom.tables._npz import columns_of_arrays, read_npz, saved_table
from archloom.tables._table import Table


def load_table(
    path: str | Path,
    architecture: str | Sequence[str] | None = None,
    *,
    space: Space | None = None,
    duplicates: Duplicates = "error",
) -> Table:
    """Read a table of architectures and what was measured of them.

    Known are: what `Table.save` wrote and other `.npz` files with an array a column; CSV and
    Parquet files; JSON (a list of rows, a mapping of columns, or records of NATS-Bench);
    NATS-Bench as its authors publish it, the folder `NATS-...-simple` or one `.pickle.pbz2`; and
    NAS-Bench-201's `.pth`. Of benchmarks every column is the mean over seeds.

    Args:
        path: the file or folder.
        architecture: which column holds the architectures, or which columns are a choice each; see
            `table_of`. Found out where a column reads like architectures.
        space: where the architectures come from; without it, all values of a label are combined.
        duplicates: `"error"`, or `"mean"` for a table with a row a seed.

    Raises:
        ConfigError: for a column that is not there.
        DataError: for a missing or damaged file, and rows that disagree.
        InvalidArchitecture: when an architecture is not a point of the space.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.csv"
    ...     _ = path.write_text("width,depth,accuracy\\n16,1,0.8\\n32,1,0.9\\n")
    ...     load_table(path, ["width", "depth"])
    Table('mine': 2 of 2 architectures, 1 column)
    """
    place = Path(path).expanduser()
    columns = read_columns(place)
    if isinstance(columns, Table):
        if architecture is not None:
            raise ConfigError(f"{place} says itself what its architectures are: give no column.")
        return columns if space is None else replace(columns, space=space)
    name = place.name.partition(".")[0]
    return table_of(columns, architecture, space=space, duplicates=duplicates, name=name)


def read_columns(path: str | Path) -> Mapping[str, Any] | Table:
    """Give what a file holds: named columns, or the table where `Table.save` wrote it.

    Raises:
        DataError: for a missing or damaged file, or one of another kind.
    """
    place = Path(path).expanduser()
    if not place.exists():
        beside = sorted(p.name for p in place.parent.glob("*"))[:10]
        raise DataError(
            f"There is no table {place}; {place.parent} holds: {', '.join(beside) or 'nothing'}."
        )
    return _columns(place)


def _columns(path: Path) -> Mapping[str, Any] | Table:
    if path.is_dir():
        return read_folder(path)
    ending = path.name.lower()
    if ending.endswith(".npz"):
        arrays = read_npz(path)
        return saved_table(arrays) or columns_of_arrays(arrays)
    if ending.endswith(".pbz2"):
        return read_packed(path)
    if ending.endswith((".pth", ".pt")):
        return read_pth(path)
    if ending.endswith((".json", ".json.gz")):
        content = read_json(path)
        return columns_of_json(content, path) or _rows(content, path)
    from archloom.sources import read_table  # imports torch

    return read_table(path).values


def _rows(content: Any, path: Path) -> Mapping[str, Any]:
    """Give the columns of a list of rows, or of a mapping of columns."""
    if isinstance(content, Mapping) and all(isinstance(v, list) for v in content.values()):
        return content
    if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
        raise DataError(
            f"A table in JSON is a list of rows, a mapping of columns, or records of NATS-Bench, "
            f"{path} is none of these."
        )
    names = list(dict.fromkeys(name for row in content for name in row))
    return {name: [_cell(row.get(name)) for row in content] for name in names}


def _cell(value: Any) -> Any:
    return float("nan") if value is None else value
