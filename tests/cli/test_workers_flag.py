"""--workers on the command line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from archloom import Experiment, Study
from archloom.cli._main import app
from archloom.errors import ConfigError


def test_the_command_line_takes_workers(tmp_path: Path) -> None:
    run = tmp_path / "run"
    search = "search --data digits --space mlp --trials 2 --epochs 1 --top 0 --quiet"
    done = CliRunner().invoke(app, [*search.split(), "--workers", "2", "--out", str(run)])
    assert done.exit_code == 0, done.output
    assert Study.open(run).header["workers"] == 2
    done = CliRunner().invoke(app, ["resume", str(run), "--workers", "1", "--quiet"])
    assert done.exit_code == 0, done.output
    assert Study.open(run).header["workers"] == 1
    assert Experiment.resume(run).workers == 1
    refused = CliRunner().invoke(app, ["resume", str(run), "--workers", "0"])
    assert isinstance(refused.exception, ConfigError)
