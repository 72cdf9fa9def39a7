"""Run an experiment from the command line and show what came out."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import typer

from archloom.cli._tables import best_line, leaderboard_table, print_rich, test_lines
from archloom.errors import ConfigError, RunError
from archloom.experiment import Experiment
from archloom.journal import JOURNAL_FILE, SqliteJournal
from archloom.study import Study
from archloom.trial import State


def holds_anything(folder: Path) -> bool:
    """Whether there is a folder with something in it."""
    return folder.is_dir() and any(folder.iterdir())


def clear_for(folder: Path, overwrite: bool) -> None:
    """Make sure that a new run does not fall into the folder of another.

    Raises:
        RunError: when the folder holds a run and `overwrite` is not set.
        RunInUse: when another process writes to the run that would be thrown away.
    """
    if not (folder / JOURNAL_FILE).is_file():
        if holds_anything(folder) and overwrite:
            raise RunError(
                f"--overwrite removes runs only, and {str(folder)!r} holds other files: "
                f"choose another --out."
            )
        return
    with SqliteJournal(folder, write=True) as journal:  # raises while somebody writes to it
        begun = bool(Study.of(event for _, event in journal.read()).header)
    if begun and not overwrite:
        raise RunError(
            f"{str(folder)!r} holds a run already: go on with `archloom resume {folder}`, "
            f"choose another --out, or pass --overwrite to throw it away."
        )
    shutil.rmtree(folder)


def run_and_show(experiment: Experiment) -> None:
    """Run, then print the leaderboard, where everything is, and what to do next."""
    folder = experiment.folder
    typer.secho(f"run folder: {folder}", dim=True, err=True)
    try:
        study = experiment.run()
    except KeyboardInterrupt as interrupt:
        typer.echo("\n".join(["", *getattr(interrupt, "__notes__", ["Stopped."])]), err=True)
        raise typer.Exit(130) from None
    if not any(trial.state.scored for trial in study.trials()):
        reasons = [t.error for t in study.trials(None, State.FAILED) if t.error]
        last = f" The last failure: {reasons[-1]}" if reasons else ""
        raise ConfigError(f"The search ended without any trained model.{last}")
    show_result(study, folder)
    make_report(experiment)
    next_steps(folder, study)


def show_result(study: Study, folder: Path) -> None:
    """Print the leaderboard, the best model and the test result."""
    print_rich(leaderboard_table(study, 10))
    typer.echo(best_line(study))
    for line in test_lines(study):
        typer.echo(line)
    if (folder / "best" / "model.pt").is_file():
        typer.echo(f"model   {folder / 'best' / 'model.pt'}")


def make_report(experiment: Experiment) -> Path:
    """Write `report.html` into the run folder."""
    path = experiment.report()
    typer.echo(f"report  {path}")
    return path


def next_steps(folder: Path, study: Study) -> None:
    """Print the commands that a user is likely to want now."""
    run = shlex.quote(str(folder))
    typer.echo("\nnext:")
    typer.echo(f"  archloom show {run}                     the leaderboard and every trial")
    typer.echo(f"  archloom export {run} --format onnx     a file for other programs")
    if any("trials" in stage for stage in study.header.get("stages", ())):
        typer.echo(f"  archloom resume {run} --trials 40       search on")
