"""archloom list: what can be named on the command line."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """What can be listed."""

    spaces = "spaces"
    strategies = "strategies"
    methods = "methods"
    estimators = "estimators"
    stoppers = "stoppers"
    scores = "scores"
    data = "data"


def list_plugins(
    kind: Annotated[Kind | None, typer.Argument(help="One kind only.")] = None,
) -> None:
    """List what can be named: spaces, strategies, methods, estimators, stoppers, scores, data sets.

    Built in, or from installed packages.
    """
    from archloom.plugins import known, summary

    for each in Kind if kind is None else [kind]:
        typer.secho(each.value, bold=True)
        for name in sorted(known(each.value)):
            typer.echo(f"  {name:<16} {summary(each.value, name)}")
