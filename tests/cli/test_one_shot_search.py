"""One-shot methods from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archloom import Study

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}
SMALL = "--set space.cells=1 --set space.width=4 --set strategy.monitor=false"


def archloom(folder: Path, words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "archloom", *words.split()],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def test_methods_are_listed(tmp_path: Path) -> None:
    text = archloom(tmp_path, "list methods").stdout
    for name in ("spos", "darts", "gdas", "pc_darts", "drnas", "proxylessnas", "snas", "enas"):
        assert f"  {name} " in text
    assert "fairnas" in text
    assert "sandwich" in text
    assert "evolution" not in text


def test_a_name_that_is_neither_strategy_nor_method_is_told(tmp_path: Path) -> None:
    words = "search --data digits --space nasbench201 --strategy dartss"
    error = archloom(tmp_path, words, expect=2).stderr
    assert "no strategy or one-shot method called 'dartss': did you mean 'darts'" in error
    assert not any(tmp_path.iterdir())


def test_labels_with_dots_can_be_pinned_by_name(tmp_path: Path) -> None:
    words = "search --data digits --space nasbench201 --strategy darts --set pinned.cell.edge=skip"
    error = archloom(tmp_path, words, expect=2).stderr
    assert "'cell.edge'" in error
    assert "cell.edge0to1" in error


@pytest.mark.slow
def test_one_command_searches_derives_retrains_and_tests(tmp_path: Path) -> None:
    words = f"search --data digits --space nasbench201 --strategy darts --epochs 2 {SMALL} "
    done = archloom(tmp_path, words + "--set strategy.arch_lr=0.01 --out run")
    assert "supernet epoch 2/2" in done.stderr
    assert "architecture from 540" in done.stderr
    assert "test    trial" in done.stdout
    assert "--trials" not in done.stdout, "there is nothing to search on"
    study = Study.open(tmp_path / "run")
    [retrained] = study.trials("retrain")
    assert retrained.architecture == study.trials("supernet")[-1].architecture
    assert study.header["stages"][0]["arch_lr"] == 0.01
    assert (tmp_path / "run" / "best" / "model.pt").is_file()
    text = archloom(tmp_path, "show run").stdout
    assert "supernet  epoch 2/2" in text
    before = study.events
    archloom(tmp_path, "resume run --quiet")
    assert Study.open(tmp_path / "run").events == before


@pytest.mark.slow
def test_one_command_searches_with_inherited_weights(tmp_path: Path) -> None:
    words = f"search --data digits --space nasbench201 --strategy spos --epochs 1 {SMALL} "
    done = archloom(tmp_path, words + "--trials 4 --retrain-epochs 1 --out run")
    assert "supernet: weights learn from all 1,079 training samples" in done.stderr
    assert "resume run --trials" in done.stdout
    study = Study.open(tmp_path / "run")
    assert len(study.trials("search")) == 4
    archloom(tmp_path, "resume run --trials 6 --quiet")
    longer = Study.open(tmp_path / "run")
    assert len(longer.trials("search")) == 6
    assert len(longer.notes("one-shot")) == 1, "the supernet stays"
