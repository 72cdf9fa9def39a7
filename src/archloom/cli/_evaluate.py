"""archloom evaluate: how good a model file is on data with known targets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Part(StrEnum):
    """Which samples."""

    test = "test"
    all = "all"


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model file of `archloom fit`.")],
    data: Annotated[str, typer.Argument(help="Data with targets, as for `archloom fit`.")],
    split: Annotated[
        Part, typer.Option(help="The test split, or all samples of a file not trained on.")
    ] = Part.test,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the data source.")
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", help="Write the metrics to this file, too.")
    ] = None,
) -> None:
    """Print the metrics of a model. A test split is for one look, at the very end.

    Loading a model file runs code that is in it: [bold]open only model files you trust[/bold].
    """
    import json

    from archloom.automl import evaluate_file, load_model_file
    from archloom.cli._options import source_options
    from archloom.cli._tables import number, print_rich

    options = source_options(set_ or [])
    if target is not None:
        options["target"] = target
    scores, samples = evaluate_file(load_model_file(model), data, split.value, options)
    from rich.table import Table

    table = Table(title=f"{samples:,} samples ({split.value})", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in scores.items():
        table.add_row(name, number(value))
    print_rich(table)
    if split is Part.test:
        typer.echo(
            "The test split was looked at. Choosing or tuning by it from now on would make these "
            "figures too good: evaluate once.",
            err=True,
        )
    if json_ is not None:
        record = {"model": str(model), "data": data, "split": split.value, "samples": samples}
        json_.write_text(json.dumps({**record, "metrics": scores}, indent=2) + "\n")
        typer.echo(str(json_))
