"""archloom validate: check a configuration without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def validate(
    config: Annotated[Path, typer.Argument(help="The YAML file of a search.")],
) -> None:
    """Check settings, data, space and constraints as a search would, and train nothing."""
    import yaml

    from archloom.config import make_experiment, read_config

    experiment = make_experiment(read_config(config, {}), progress=False)
    experiment.check()
    size = experiment.space.space.size
    typer.echo(f"ok: {experiment.space.__name__} on {experiment.task.name}")
    typer.echo(f"space   {size:,} architectures" if size != float("inf") else "space   infinite")
    settings = {
        "data": experiment.task.describe(),
        "objectives": [str(objective) for objective in experiment.objectives],
        "constraints": [str(constraint) for constraint in experiment.constraints],
        "stages": [dict(stage.describe()) for stage in experiment.stages],
    }
    typer.echo(yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=100))
