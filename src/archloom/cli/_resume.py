"""archloom resume: go on with a run that was interrupted, or search longer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def resume(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    trials: Annotated[int | None, typer.Option(help="Search on to so many trials in all.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Another budget of trial time.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Trials at once. [default: as recorded]")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Go on with a run: finished trials stay, running ones restart from their last epoch."""
    from archloom.cli._run import run_and_show
    from archloom.experiment import Experiment

    progress = False if quiet else "auto"
    experiment = Experiment.resume(
        run, trials=trials, minutes=minutes, workers=workers, progress=progress
    )
    run_and_show(experiment)
