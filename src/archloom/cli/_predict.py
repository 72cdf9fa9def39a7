"""archloom predict: what a model file says about new files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from archloom.automl._inputs import Batch


def predict(
    model: Annotated[Path, typer.Argument(help="A model file of `archloom fit`.")],
    files: Annotated[
        list[Path], typer.Argument(help="Files of the form of the training data, or folders.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A CSV file. [default: print]")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of a table that holds the texts.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The array's name in .npz files.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:1.")] = "auto",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", "--overwrite", help="Overwrite the CSV file.")
    ] = False,
) -> None:
    """Predict for images, arrays, tables or texts: a row for each sample, with probabilities.

    Loading a model file runs code that is in it: [bold]open only model files you trust[/bold].
    """
    from itertools import chain, islice

    from archloom.automl import load_model_file, predictions, read_inputs
    from archloom.errors import ConfigError

    if out is not None and out.is_file() and not yes:
        raise ConfigError(f"The file {str(out)!r} is there already: pass --yes to overwrite it.")
    found = load_model_file(model)
    notes: list[str] = []
    batches = _noted(read_inputs(found, files, column=column, key=key), notes)
    rows = predictions(found, batches, device)
    first = list(islice(rows, 2))  # a mistake shows up before anything is written
    _write(chain(first, rows), out)
    if notes:
        more = f" ({len(notes) - 1:,} more files, too)" if len(notes) > 1 else ""
        typer.echo(f"note    {notes[0]}{more}", err=True)
    if out is not None:
        typer.echo(str(out))


def _noted(batches: Iterable[Batch], notes: list[str]) -> Iterator[Batch]:
    """Pass batches on and keep what is to be said about them."""
    for batch in batches:
        if batch.note is not None:
            notes.append(batch.note)
        yield batch


def _write(rows: Iterable[list[Any]], out: Path | None) -> None:
    """Print the rows, or write the file whole or not at all."""
    import csv
    import os
    import sys

    if out is None:
        csv.writer(sys.stdout).writerows(rows)
        return
    if out.exists() and not out.is_file():  # a pipe, or /dev/stdout, is nothing to move over
        with out.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
        return
    beside = out.with_name(out.name + ".part")
    try:
        with beside.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)
