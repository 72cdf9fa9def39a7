"""The command line from outside, as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archloom import Study
from archloom.journal import SqliteJournal

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}


def archloom(folder: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "archloom", *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    words = "search --data digits --space mlp --trials 3 --epochs 1 --retrain-epochs 2 --out run"
    done = archloom(folder, *words.split())
    assert "leaderboard" in done.stdout
    assert "test    trial" in done.stdout
    assert "archloom show run" in done.stdout
    return folder / "run"


@pytest.mark.slow
def test_search_leaves_everything_in_the_folder(run: Path) -> None:
    for name in ("journal.sqlite", "report.html", "best/model.pt", "best/architecture.json"):
        assert (run / name).is_file(), name
    study = Study.open(run)
    assert len(study.trials("search")) == 3
    assert study.header["stages"][0]["strategy"]["name"] == "predictor"


@pytest.mark.slow
def test_show(run: Path) -> None:
    text = archloom(run.parent, "show", "run").stdout
    assert "mlp on digits" in text
    trial = json.loads(archloom(run.parent, "show", "run", "--trial", "0").stdout)
    assert trial["state"] == "done"
    assert len(trial["curve"]) == 1
    lines = archloom(run.parent, "show", "run", "--json").stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2, 3]


@pytest.mark.slow
def test_resume_of_a_finished_run_changes_nothing_and_can_go_on(run: Path) -> None:
    events = Study.open(run).events
    archloom(run.parent, "resume", "run", "--quiet")
    assert Study.open(run).events == events
    archloom(run.parent, "resume", "run", "--trials", "4", "--quiet")
    assert len(Study.open(run).trials("search")) == 4


@pytest.mark.slow
def test_export_and_report(run: Path) -> None:
    done = archloom(run.parent, "export", "run")
    assert [Path(line).suffix for line in done.stdout.split()] == [".pt", ".pt2", ".onnx"]
    assert all((run.parent / line).is_file() for line in done.stdout.split())
    done = archloom(run.parent, "report", "run", "-o", "page.html")
    assert (run.parent / "page.html").stat().st_size > 1_000_000


@pytest.mark.slow
def test_a_folder_with_a_run_is_not_overwritten_unasked(run: Path) -> None:
    done = archloom(run.parent, "search", "--data", "digits", "--out", "run", expect=2)
    assert "archloom resume run" in done.stderr


def test_list_names_every_built_in(tmp_path: Path) -> None:
    text = archloom(tmp_path, "list").stdout
    for name in ("small_cnn", "course_cnn", "local_search", "evolution", "fashion-mnist", "train"):
        assert name in text
    assert "digits" not in archloom(tmp_path, "list", "strategies").stdout


def test_validate_says_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: digits\nspace: mlp\ntrials: 3\n")
    assert "ok: mlp on digits" in archloom(tmp_path, "validate", "c.yaml").stdout
    assert [p.name for p in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: digits\ntrails: 3\n", "did you mean 'trials'"),
        ("data: digits\ntrials: many\n", "'trials' does not fit"),
        ("data: digit\n", "did you mean 'digits'"),
        ("data: digits\nstrategy: evolutoin\n", "did you mean 'evolution'"),
        ("data: digits\nstrategy: {name: evolution, popluation: 3}\n", "did you mean 'population'"),
        ("data: digits\ntrain: {epohcs: 3}\n", "did you mean 'epochs'"),
        ("data: digits\nspace: smal_cnn\n", "did you mean 'small_cnn'"),
        ("data: digits\nspace: mlp\nconstraints: ['params <= 3']\n", "No architecture was found"),
        ("data: digits\nconstraints: ['params under 3']\n", "METRIC <= NUMBER"),
        ("data: digits\nretrain: {tpo: 3}\n", "did you mean 'top'"),
        ("data: missing.npz\n", "missing.npz"),
        ("- digits\n", "must hold settings"),
        ("data: [digits\n", "not valid YAML"),
        ("trials: 3\n", "needs data"),
    ],
)
def test_bad_settings_are_named_with_the_mend(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    done = archloom(tmp_path, "validate", "c.yaml", expect=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("search", "resume", "show", "report", "export", "list", "validate"),
        *("fit", "predict", "evaluate"),
    ],
)
def test_each_command_explains_itself(tmp_path: Path, command: str) -> None:
    text = archloom(tmp_path, command, "--help").stdout
    assert "Usage" in text
    assert len(text.splitlines()) > 5


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    # What makes `archloom --help` answer at once, checked without a clock.
    code = (
        "import sys, archloom.cli;"
        "print(sorted({'torch', 'sklearn', 'plotly', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shell_completion_gives_a_script(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "_ARCHLOOM_COMPLETE": "complete_bash"}
    environment |= {"COMP_WORDS": "archloom se", "COMP_CWORD": "1"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("archloom"))],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "search" in done.stdout


def test_show_of_no_run_says_so(tmp_path: Path) -> None:
    assert "run folder" in archloom(tmp_path, "show", ".", expect=2).stderr


def test_a_run_killed_before_it_began_can_be_started_again(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "run", write=True).close()
    words = "search --data digits --space mlp --trials 1 --epochs 1 --top 0 --out run"
    assert "leaderboard" in archloom(tmp_path, *words.split()).stdout


SPACE = """
from torch import nn
from archloom import model_space

@model_space
def tiny(pick, features=64, classes=10):
    width = pick.value("width", [4, 8])
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.Linear(width, classes))
"""


@pytest.mark.slow
def test_a_run_of_a_script_goes_on_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "myspace.py").write_text(SPACE)
    script = (
        "from archloom import BlackBox, Experiment, Random, Train\n"
        "from archloom.task import digits\n"
        "from myspace import tiny\n"
        "stages = [BlackBox(Random(), Train(epochs=1), trials=1)]\n"
        "Experiment(tiny, digits(), stages, 'run').run()\n"
    )
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=ENVIRONMENT, check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    archloom(elsewhere, "resume", "../run", "--trials", "2", "--quiet")
    assert len(Study.open(tmp_path / "run")) == 2
    archloom(elsewhere, "export", "../run", "--format", "pt")


@pytest.mark.parametrize(
    ("text", "message"),
    [("def tiny(:\n", "SyntaxError at"), ("import no_such_library\n", "ModuleNotFoundError at")],
)
def test_a_broken_space_file_is_named_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "bad.py").write_text(text)
    words = ["search", "--data", "digits", "--space", "bad.py:tiny"]
    error = archloom(tmp_path, *words, expect=2).stderr
    assert message in error
    assert "bad.py:1" in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_overwrite_keeps_the_old_run_when_the_new_one_cannot_work(run: Path) -> None:
    before = Study.open(run).events
    words = ["search", "--data", "digits", "--out", "run", "--overwrite", "--objective", "acuracy"]
    assert "did you mean 'accuracy'" in archloom(run.parent, *words, expect=2).stderr
    assert Study.open(run).events == before
