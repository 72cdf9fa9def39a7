"""archloom show: what a run holds, also while it is running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    trial: Annotated[int | None, typer.Option(help="Everything about one trial, as JSON.")] = None,
    top: Annotated[int, typer.Option(help="How many trials the leaderboard shows.")] = 20,
    stage: Annotated[str | None, typer.Option(help="One stage only, such as search.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="All trials, one JSON a line.")] = False,
) -> None:
    """Show the leaderboard of a run, its test results and its failures."""
    import json

    from archloom.cli._tables import (
        best_line,
        ensemble_lines,
        leaderboard_table,
        print_rich,
        supernet_lines,
        test_lines,
        trial_text,
    )
    from archloom.errors import ConfigError, did_you_mean
    from archloom.study import Study
    from archloom.trial import State

    study = Study.open(run)
    stages = [described["name"] for described in study.header.get("stages", [])]
    stages += {trial.stage for trial in study.trials()} - set(stages)
    if stage is not None and stages and stage not in stages:
        raise ConfigError(f"The run has no stage {stage!r}: {did_you_mean(stage, stages)}.")
    if trial is not None:
        typer.echo(trial_text(study[trial]))
        return
    if json_:
        for each in study.trials(stage):
            typer.echo(json.dumps(json.loads(trial_text(each))))
        return
    if study.header:
        space, task = study.header["space"], study.header["task"]
        size = space["size"] if space["size"] is not None else "infinitely many"
        typer.echo(f"{study.header['title']}: {size} architectures")
        typer.echo(f"data    {task['name']}, fingerprint {task['fingerprint'][:16]}")
    for noted in study.notes("data"):
        for finding in noted.data["findings"]:
            typer.echo(f"{finding['severity']:<7} {finding['message']}")
    print_rich(leaderboard_table(study, top, stage))
    if any(t.state.scored for t in study.trials()):
        typer.echo(best_line(study))
    for line in supernet_lines(study):
        typer.echo(line)
    for line in ensemble_lines(study):
        typer.echo(line)
    for line in test_lines(study):
        typer.echo(line)
    for noted in study.notes("stage-end"):
        typer.echo(f"{noted.data['stage']:<7} {noted.data['reason']}")
    for failed in study.trials(stage, State.FAILED)[-5:]:
        last = (failed.error or "").splitlines()[-1:]
        typer.echo(f"failed  trial {failed.number}: {''.join(last)}")
    for running in study.trials(stage, State.RUNNING):
        typer.echo(
            f"open    trial {running.number}, {len(running.curve)} epochs so far: it is running, "
            f"or was interrupted (archloom resume {run})"
        )
