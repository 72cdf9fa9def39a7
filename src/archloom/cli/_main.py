"""The commands and what happens when one of them goes wrong. Nothing heavy is imported here."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from archloom.cli._bench import bench
from archloom.cli._evaluate import evaluate
from archloom.cli._export import export
from archloom.cli._fit import fit
from archloom.cli._list import list_plugins
from archloom.cli._predict import predict
from archloom.cli._report import report
from archloom.cli._resume import resume
from archloom.cli._search import search
from archloom.cli._show import show
from archloom.cli._validate import validate
from archloom.errors import ArchloomError

app = typer.Typer(
    name="archloom",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Neural architecture search on PyTorch: describe a space, search it, get a trained model.",
    epilog="Begin with [bold]archloom fit digits --minutes 1[/bold], or with "
    "[bold]archloom search --data digits[/bold]. "
    "Each command explains itself: [bold]archloom search --help[/bold].",
)
app.command("fit")(fit)
app.command("predict")(predict)
app.command("evaluate")(evaluate)
app.command("search")(search)
app.command("resume")(resume)
app.command("show")(show)
app.command("report")(report)
app.command("export")(export)
app.command("bench")(bench)
app.command("list")(list_plugins)
app.command("validate")(validate)


def _version(value: bool) -> None:
    if value:
        from archloom import __version__

        typer.echo(f"archloom {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Treat a polite kill (a batch system's time limit) like Ctrl-C."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; errors that archloom raises on purpose are shown without a trace."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.path.append("")  # `--space my_module:space` means a module of the folder one stands in
    try:
        app(standalone_mode=True)
    except ArchloomError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that is not writable
        place = f": {error.filename}" if error.filename else ""
        typer.secho(f"{error.strerror or error}{place}", fg=typer.colors.RED, err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.secho("Stopped.", err=True)
        sys.exit(130)
