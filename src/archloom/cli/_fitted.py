"""What `archloom fit` prints when it is done."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import typer

from archloom.cli._tables import leaderboard_table, print_rich


def show_fitted(door: Any, data: str, out: Path, *, tested: bool) -> None:
    """Print the leaderboard, what was not done, and what to do next."""
    print_rich(leaderboard_table(door.study_, 5))
    for notice in door.notices_:
        typer.echo(f"note    {notice.removeprefix('notice: ')}")
    params = sum(parameter.numel() for parameter in door.model_.parameters())
    typer.echo(f"model   {out} ({params:,} parameters)")
    model = shlex.quote(str(out))
    typer.echo("\nnext:")
    typer.echo(f"  archloom predict {model} NEW_FILES -o out.csv")
    new = shlex.quote(data) if tested else "NEW_FILE --split all"
    typer.echo(f"  archloom evaluate {model} {new}")
