"""What a run shows while it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from archloom import BlackBox, Candidate, Experiment, Random, State, Study
from archloom.errors import ConfigError
from archloom.journal import Event, Finished, Reported, Started
from archloom.progress import watcher
from archloom.testing import tiny_space, tiny_task


def estimate(candidate: Candidate) -> dict[str, float]:
    width = candidate.architecture["width"]
    assert isinstance(width, int)
    if candidate.architecture["act"] == "tanh":
        raise ValueError("no tanh today")
    candidate.report(1, {"accuracy": width / 20})
    return {"accuracy": width / 10}


def run(folder: Path, progress: str | bool) -> None:
    stages = [BlackBox(Random(), estimate, trials=6)]
    Experiment(tiny_space, tiny_task(), stages, folder, progress=progress).run()


def test_lines_name_trials_best_so_far_failures_and_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "lines")
    lines = capsys.readouterr().err.splitlines()
    assert sum("no tanh today" in line for line in lines) == 3
    assert sum(" * accuracy 0.8000" in line for line in lines) == 1
    assert any("6/6 trials" in line and "left" in line for line in lines)
    assert lines[-1] == "search: 6 trials are done"


def test_live_display_runs_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "live")
    assert "accuracy 0.8000" in capsys.readouterr().err


def test_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, False)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_an_unknown_display_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'auto', 'live', 'lines'"):
        run(tmp_path, "fancy")


def test_several_running_trials_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"objectives": ["accuracy"], "workers": 3}
    estimator = {"name": "train", "epochs": 4}
    stages = [{"name": "search", "trials": 8, "estimator": estimator}]
    study = Study()
    with watcher("lines", {**settings, "stages": stages}, study) as watch:
        view = watch.__self__  # type: ignore[attr-defined]

        def take(event: Event) -> None:
            study.apply(event)
            watch(event, study)

        architectures = list(tiny_space.space.enumerate())
        for number in range(3):
            take(Started(number, "search", architectures[number], seed=number))
        take(Reported(1, 2, {"accuracy": 0.5}))
        take(Finished(0, State.DONE, {"accuracy": 0.25}))
        console = Console(width=100)
        console.print(view)
        shown = capsys.readouterr().out.splitlines()
        assert "search" in shown[0]
        assert [line.strip() for line in shown[1:]] == [
            "best accuracy 0.2500 (trial 0)",
            "trial 1: epoch 2/4, accuracy 0.5000",
            "trial 2: epoch 0/4",
        ]
