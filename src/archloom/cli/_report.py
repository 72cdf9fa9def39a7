"""archloom report: write the HTML report of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="[default: RUN/report.html]")
    ] = None,
) -> None:
    """Write one HTML file that opens offline, also for a run that is still going."""
    from archloom.errors import ArchloomError
    from archloom.experiment import Experiment
    from archloom.report import write_report
    from archloom.study import Study

    study = Study.open(run)
    model = example = None
    try:
        experiment = Experiment.resume(run, progress=False)
        model, example = experiment.drawing(study)
    except ArchloomError as error:  # the page is worth having without the drawing
        typer.secho(f"The drawing is left out: {error}", err=True)
    path = out or run / "report.html"
    typer.echo(str(write_report(study, path, folder=run, model=model, example=example)))
