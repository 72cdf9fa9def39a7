"""archloom search: run a search from flags or one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def search(
    config: Annotated[
        Path | None, typer.Argument(help="A YAML file with the settings; flags win over it.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="A data set's name (`archloom list data`), a .npz file or a folder."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="A space's name, a .yaml file, FILE.py:NAME or MODULE:NAME."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="A strategy or a one-shot method: `archloom list strategies`, `methods`."
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Architectures to try. [default: 20; 100 that inherit weights of a supernet]"
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs of each trial, or of the supernet. [default: fits the data's size; at "
            "most 50 of a supernet]"
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Best architectures to retrain, 0 for none. [default: 1]")
    ] = None,
    retrain_epochs: Annotated[
        int | None, typer.Option(help="Epochs of the retraining. [default: 4 x --epochs]")
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="A metric, or 'min METRIC'; the first leads. [default: accuracy]"),
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option(help="A limit before training: 'params <= 100_000'.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting: train.lr=0.01, strategy.sample=5, ..."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes the run repeatable. [default: 0]")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Start no new trial after so much trial time.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda:1. [default: auto]")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Trials at once, each in its own process. [default: 1]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder. [default: a new one under runs/]")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw away the run that --out holds.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")] = False,
) -> None:
    """Search for an architecture, retrain the best and test it once.

    [bold]archloom search --data digits[/bold] needs nothing else. The run's folder keeps
    everything; Ctrl-C or a crash loses at most one epoch: [bold]archloom resume RUN[/bold].
    """
    from archloom.cli._run import clear_for, holds_anything, run_and_show
    from archloom.config import make_experiment, read_config

    flags: dict[str, Any] = {
        "data": data,
        "space": space,
        "strategy": strategy,
        "trials": trials,
        "train": {} if epochs is None else {"epochs": epochs},
        "objectives": objective,
        "constraints": constraint,
        "seed": seed,
        "minutes": minutes,
        "device": device,
        "workers": workers,
        "out": None if out is None else str(out),
    }
    if top == 0:
        flags["retrain"] = False
    elif top is not None or retrain_epochs is not None:
        given = {"top": top, "epochs": retrain_epochs}
        flags["retrain"] = {k: v for k, v in given.items() if v is not None}
    for text in set_ or []:
        _set(flags, text)
    settings = read_config(config, {k: v for k, v in flags.items() if v != {}})
    experiment = make_experiment(settings, progress=False if quiet else "auto")
    if holds_anything(experiment.folder):
        if overwrite:
            experiment.check()  # a run is thrown away only for one that can work
        clear_for(experiment.folder, overwrite)
    run_and_show(experiment)


def _set(flags: dict[str, Any], text: str) -> None:
    """Put `train.lr=0.01` into the flags; the value is read as YAML."""
    from yaml import YAMLError

    from archloom.config import load_yaml
    from archloom.errors import ConfigError

    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set takes NAME=VALUE, such as train.lr=0.01, got {text!r}.")
    *parents, last = path.split(".")
    if parents[:1] == ["pinned"]:  # the labels of choices have dots of their own
        parents, last = parents[:1], path.removeprefix("pinned.")
    place = flags
    for parent in parents:
        inner = place.get(parent)
        if isinstance(inner, str):  # --strategy evolution --set strategy.sample=5
            inner = {"name": inner}
        place[parent] = inner if isinstance(inner, dict) else {}
        place = place[parent]
    try:
        place[last] = load_yaml(value)
    except YAMLError as error:
        raise ConfigError(f"The value of --set {text!r} is not valid YAML.") from error
