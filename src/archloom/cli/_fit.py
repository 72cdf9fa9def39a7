"""archloom fit: from a file of data to a file with a trained model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer


def fit(
    data: Annotated[
        str, typer.Argument(help="A file or folder of data, or a name of `archloom list data`.")
    ],
    minutes: Annotated[float, typer.Option(help="Wall time for everything.")] = 10.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The model file.")] = Path("model.pt"),
    target: Annotated[
        str | None, typer.Option(help="The column to predict, where the format has columns.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="image, volume, series, table or text, if it is not clear.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Architectures to try at most.")] = None,
    objective: Annotated[
        list[str] | None, typer.Option(help="A metric; the first leads. [default: the task's]")
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option(help="A limit before training: 'params <= 100_000'.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="See `archloom list spaces`.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the data source: separator=';', valid=0.2, ..."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="The longest training.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Trials that run side by side; as many as fit the machine by itself."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes cuts and draws repeatable.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:1.")] = "auto",
    folder: Annotated[
        Path | None, typer.Option(help="Keep the run here, to look at or to go on with.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with --folder's run.")] = False,
    distill: Annotated[
        bool, typer.Option("--distill", help="One small network in place of an ensemble.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Overwrite the model file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Find, train and save the best model for the data, within the time.

    [bold]archloom fit data.csv --target price --minutes 5[/bold]. A test split of the data is not
    looked at; [bold]archloom evaluate[/bold] does that, once, at the end.
    """
    began = time.monotonic()  # loading torch and the data is part of the time
    from archloom.automl import AutoModel
    from archloom.cli._fitted import show_fitted
    from archloom.cli._kind import load_as
    from archloom.cli._options import source_options
    from archloom.errors import ConfigError, RunError
    from archloom.journal import JOURNAL_FILE

    if minutes <= 0:
        raise ConfigError(f"--minutes must be positive, got {minutes}.")
    if out.exists() and not yes:
        raise ConfigError(f"The file {str(out)!r} is there already: pass --yes to overwrite it.")
    if out.suffix != ".pt":
        raise ConfigError(f"A model file ends in .pt, got --out {out}.")
    if folder is not None and (folder / JOURNAL_FILE).is_file() and not resume:
        raise RunError(
            f"The folder {str(folder)!r} holds a run already: pass --resume to go on with it, or "
            f"another --folder."
        )
    options: dict[str, Any] = {"target": target, **source_options(set_ or [])}
    options = {"seed": seed, **{k: v for k, v in options.items() if v is not None}}
    task = load_as(data, kind, options)
    door = AutoModel(
        max(minutes - (time.monotonic() - began) / 60, 1 / 60),
        trials=trials,
        objective=objective or None,
        constraints=tuple(constraint or ()),
        space=space,
        epochs=epochs,
        workers="auto" if workers is None else workers,
        seed=seed,
        device=device,
        folder=None if folder is None else str(folder),
        resume=resume,
        distill=distill,
        progress=False if quiet else "auto",
    )
    door.fit(task)
    door.export(out)
    show_fitted(door, data, out, tested=task.has_test)
