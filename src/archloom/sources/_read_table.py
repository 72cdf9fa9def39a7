"""Files of rows and columns: CSV in any of its dialects, and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archloom.errors import ConfigError, DataError
from archloom.sources._columns import MISSING_TEXT, Columns, columns_of, number_in
from archloom.sources._extras import need
from archloom.task import existing, kind_of

_SEPARATORS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_COMMA_NUMBER = re.compile(r"\s*[-+]?\d+(,\d+)?([eE][-+]?\d+)?\s*")
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SAMPLE = 200


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written: separator, decimal mark, and whether its first row is names."""

    separator: str
    decimal: str
    header: bool


def read_table(
    path: str | Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Columns:
    """Read a CSV file, packed with gzip or not, or a Parquet file.

    Separator, encoding, decimal mark and whether there is a header are found out unless given.
    Columns without a header are called x0, x1, ...

    Raises:
        DataError: when the file is missing, empty, truncated, of another kind, or has rows of
            different lengths; the message names the line.
        MissingExtra: for Parquet without pyarrow.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "data.csv"
    ...     _ = path.write_text("name;size\\nAda;1,5\\nBo;2\\n")
    ...     read_table(path).values["size"].tolist()
    [1.5, 2.0]
    """
    path = existing(path, "table")
    if path.is_dir():
        raise DataError(f"A table is a CSV or Parquet file, {path} is a folder.")
    kind, words = kind_of(path)
    if kind == "parquet" or path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    if kind not in ("text", "gzip", "unknown"):
        raise DataError(f"A table is a CSV or Parquet file, {path} is {words}: get it again.")
    text = _text(path, encoding)
    rows = text.splitlines(keepends=True)
    dialect = sniff(rows, path, separator, header)
    return _columns(path, text, dialect)


def sniff(
    rows: Sequence[str], path: Path, separator: str | None = None, header: bool | None = None
) -> Dialect:
    """Find out how the lines of a CSV file are written, from the first of them."""
    sample = [row for row in rows[:_SAMPLE] if row.strip()]
    if not sample:
        raise DataError(f"A table needs rows, {path} has none.")
    if separator is None:
        widths = {mark: _width(sample, mark) for mark in _SEPARATORS}
        separator = max(_SEPARATORS, key=lambda mark: widths[mark])
    cells = [[cell.strip() for cell in row] for row in csv.reader(sample, delimiter=separator)]
    if header is None:
        header = _has_header(cells)
    body = [cell for row in cells[header:] for cell in row if cell.lower() not in MISSING_TEXT]
    with_comma = [cell for cell in body if _COMMA_NUMBER.fullmatch(cell) and "," in cell]
    with_point = [cell for cell in body if _NUMBER.fullmatch(cell) and "." in cell]
    decimal = "," if separator != "," and with_comma and not with_point else "."
    return Dialect(separator, decimal, header)


def _width(sample: Sequence[str], mark: str) -> tuple[float, int]:
    """How well a separator cuts: the share of rows of the usual width, then that width."""
    widths = [len(row) for row in csv.reader(sample, delimiter=mark)]
    usual = max(set(widths), key=lambda width: (widths.count(width), width))
    return (widths.count(usual) / len(widths) if usual > 1 else 0.0, usual)


def _has_header(cells: Sequence[Sequence[str]]) -> bool:
    """A header is a row of different names above something; numbers and gaps are no names."""
    first = cells[0]
    if len(set(first)) < len(first) or any(cell.lower() in MISSING_TEXT for cell in first[1:]):
        return False
    if any(_NUMBER.fullmatch(cell) or _COMMA_NUMBER.fullmatch(cell) for cell in first):
        return False
    return len(cells) > 1


def _text(path: Path, encoding: str | None) -> str:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is truncated or damaged ({error}): get it again.") from error
    found = next((name for bom, name in _BOMS.items() if data.startswith(bom)), None)
    if found is None and b"\0" in data[:4096]:
        raise DataError(f"A table is a CSV or Parquet file, {path} is binary: is it another kind?")
    if encoding is None and found is None:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            encoding = "cp1252"
    try:
        return data.decode(encoding or found or "utf-8", errors="strict")
    except LookupError as error:
        raise ConfigError(f"There is no encoding {encoding!r}.") from error
    except UnicodeDecodeError as error:
        if encoding == "cp1252":  # five bytes mean nothing there, every byte does in latin-1
            return data.decode("latin-1")
        raise DataError(
            f"{path} cannot be read as {encoding or found} ({error.reason} at byte {error.start}): "
            f"give its encoding=."
        ) from error


def _columns(path: Path, text: str, dialect: Dialect) -> Columns:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator)
    rows: list[list[str]] = []
    width = 0
    try:
        for row in reader:
            if not row:
                continue
            width = width or len(row)
            if len(row) != width:
                raise DataError(
                    f"All rows of a table have as many values as the first: line "
                    f"{reader.line_num} of {path} has {len(row)}, the first row has {width}. "
                    f"The file may be truncated, or the separator is not "
                    f"{dialect.separator!r}: give separator=."
                )
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"Line {reader.line_num} of {path} is broken ({error}).") from error
    names = [n.strip() or f"x{i}" for i, n in enumerate(rows[0])] if dialect.header else None
    body = rows[1:] if names else rows
    if not body:
        raise DataError(f"A table needs rows, {path} has a header alone.")
    names = names or [f"x{index}" for index in range(width)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"Columns need names of their own, {path} has two columns {twice!r}.")
    cells = zip(*body, strict=True)
    found = {n: _column(column, dialect) for n, column in zip(names, cells, strict=True)}
    return Columns(found, named=dialect.header)


def _column(cells: Sequence[str], dialect: Dialect) -> np.ndarray:
    """Give whole numbers, floats with NaN for gaps, or text with None for gaps."""
    gaps = [cell.strip().lower() in MISSING_TEXT for cell in cells]
    plain = [cell.replace(",", ".") for cell in cells] if dialect.decimal == "," else cells
    nothing = float("nan")
    numbers = [nothing if gap else number_in(c) for c, gap in zip(plain, gaps, strict=True)]
    if any(number is None for number in numbers):
        return _texts([None if gap else c.strip() for c, gap in zip(cells, gaps, strict=True)])
    if not any(gaps) and not any("." in c or "e" in c.lower() or "n" in c.lower() for c in plain):
        try:
            return np.array([int(cell) for cell in plain], dtype=np.int64)
        except (ValueError, OverflowError):  # more than 64 bits
            pass
    return np.array(numbers, dtype=np.float64)


def _texts(values: Sequence[str | None]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _read_parquet(path: Path) -> Columns:
    pyarrow = need("pyarrow", "tables", "Reading Parquet files")
    parquet = need("pyarrow.parquet", "tables", "Reading Parquet files")
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a Parquet file ({error}): it may be truncated, get it again."
        ) from error
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_date(column.type):
            found[name] = column.cast(pyarrow.timestamp("us")).to_numpy()
        else:
            found[name] = column.to_numpy()
    return columns_of(found)
