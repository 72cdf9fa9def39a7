"""The task of `archloom fit`: --kind says how a file is meant that could be meant differently."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archloom.errors import ConfigError, DataError

_LINES = (".csv", ".tsv", ".txt")


def load_as(data: str, kind: str | None, options: Mapping[str, Any]) -> Any:
    """Load the data; a table of texts becomes texts with `kind` text.

    Raises:
        ConfigError: for a kind that a table cannot be.
        DataError: for a table of names and nothing else, besides what `load` raises.
    """
    from archloom.task import load
    from archloom.task._recognise import source_of_path

    path = Path(data).expanduser()
    if not path.exists() or source_of_path(path)[0] != "table":
        return load(data, **options, **({} if kind is None else {"kind": kind}))
    _check_rows(path, options)
    if kind in (None, "table"):
        return load(data, **options)
    if kind == "text":
        return load("text", texts=path, **{"text": _text_column(path, options), **options})
    raise ConfigError(
        f"{data!r} is a table, which --kind table or text reads, got --kind {kind}: leave --kind "
        f"out, or give arrays as an .npz file, or a folder of images."
    )


def _check_rows(path: Path, options: Mapping[str, Any]) -> None:
    """Refuse a lone line of names, which would be read as a row without names."""
    if path.suffix.lower() not in _LINES or options.get("header") is False:
        return
    with path.open("rb") as stream:
        lines = [line for line, _ in zip(filter(bytes.strip, stream), range(2), strict=False)]
    target = options.get("target")
    if len(lines) == 1 and isinstance(target, str) and target.encode() in lines[0]:
        raise DataError(f"{str(path)!r} holds no rows, only the names of the columns: add rows.")


def _text_column(path: Path, options: Mapping[str, Any]) -> str:
    """Give the one column that holds texts, unless it is named."""
    from archloom.sources import read_table

    if options.get("text") is not None:
        return str(options["text"])
    how = {k: options[k] for k in ("separator", "encoding", "header") if k in options}
    columns = read_table(path, **how).values
    found = [n for n, c in columns.items() if c.dtype.kind == "O" and n != options.get("target")]
    if len(found) != 1:
        raise ConfigError(
            f"Which column holds the texts? Pass --set text=COLUMN, one of "
            f"{', '.join(found or columns)}."
        )
    return found[0]
