"""Every strategy that can be named searches with its default settings, and goes on when resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from archloom import Study
from archloom.config import checked_config, make_experiment
from archloom.plugins import BUILT_IN
from archloom.task import Task
from archloom.testing import tiny_task

OBJECTIVES = {"nsga3": ["accuracy", "min params"], "nsga2": ["accuracy", "min params"]}


@pytest.fixture(scope="module")
def task() -> Task:
    return tiny_task()


def search(name: str, task: Task, folder: Path, trials: int = 6) -> Study:
    settings = {
        "space": "mlp",
        "strategy": name,
        "trials": trials,
        "train": {"epochs": 3, "batch_size": 16, "channels_last": False},
        "objectives": OBJECTIVES.get(name, ["accuracy"]),
        "retrain": False,
        "test": False,
        "out": str(folder),
    }
    return make_experiment(checked_config(settings), task, progress=False).run()


@pytest.mark.parametrize("name", sorted(BUILT_IN["strategies"]))
def test_a_strategy_searches_with_its_defaults(name: str, task: Task, tmp_path: Path) -> None:
    study = search(name, task, tmp_path / "run", trials=4)
    before = [trial.architecture for trial in study.trials("search")]
    assert before
    again = search(name, task, tmp_path / "run", trials=6)
    after = again.trials("search")
    assert [trial.architecture for trial in after][: len(before)] == before
    assert all(trial.state.scored for trial in after)
    first, second = (search(name, task, tmp_path / folder) for folder in ("one", "two"))
    told = [[(t.architecture, t.parent, t.budget) for t in s.trials()] for s in (first, second)]
    assert told[0] == told[1], "the seed decides"
