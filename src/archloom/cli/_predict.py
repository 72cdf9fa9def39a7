"""archloom predict: what a model file says about new files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
) -> None:
    """Predict for images, arrays, tables or texts: a row for each sample, with probabilities.

    Loading a model file runs code that is in it: [bold]open only model files you trust[/bold].
    """
    import csv
    import sys

    from archloom.automl import load_model_file, predictions, read_inputs

    found = load_model_file(model)
    batches = read_inputs(found, files, column=column, key=key)
    rows = predictions(found, batches, device)
    if out is None:
        csv.writer(sys.stdout).writerows(rows)
        return
    with out.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    typer.echo(str(out))
