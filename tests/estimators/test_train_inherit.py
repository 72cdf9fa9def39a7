"""Train with the weights of a candidate's parent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators import (
    Ancestor,
    Candidate,
    CrossValidate,
    Repeat,
    Train,
    describe,
    metrics_of,
    rebuild_estimator,
)
from archloom.experiment import Experiment
from archloom.stages import BlackBox
from archloom.strategies import Evolution
from archloom.task import Task
from archloom.trial import State

LONG = Train(epochs=12, lr=0.02, inherit="net2net")
NARROW, WIDE = Architecture({"width": 8}), Architecture({"width": 16})

Make = Callable[..., Candidate]


@pytest.fixture
def family(candidate: Make, tmp_path: Path) -> tuple[Candidate, Candidate]:
    """Give a trained parent and a candidate that was mutated from it."""
    parent = candidate({"width": 8}, files=tmp_path / "parent")
    LONG(parent)
    child = candidate({"width": 16}, files=tmp_path / "child", seed=5)
    return parent, replace(child, parent=Ancestor(0, NARROW, None, parent.files))


def test_a_child_begins_where_its_parent_ended(family: tuple[Candidate, Candidate]) -> None:
    parent, child = family
    reference = LONG(parent)["loss"]
    # lr 1e-12: what is measured are the weights that it began with
    still = replace(LONG, epochs=1, lr=1e-12)
    found, fresh = still(child), still(replace(child, parent=None))
    assert (found["inherited"], found["preserved"]) == (1.0, 1.0)
    assert (fresh["inherited"], fresh["preserved"]) == (0.0, 0.0)
    assert found["loss"] == pytest.approx(reference, abs=0.05)
    assert fresh["loss"] > reference + 0.2


def test_plain_inheritance_takes_the_overlap(family: tuple[Candidate, Candidate]) -> None:
    _, child = family
    found = replace(LONG, inherit=True)(child)
    parent_params, child_params = 12 * 8 + 8 + 8 * 3 + 3, 12 * 16 + 16 + 16 * 3 + 3
    assert found["inherited"] == pytest.approx(parent_params / child_params)
    assert "preserved" not in found


def test_missing_weights_mean_a_fresh_start(family: tuple[Candidate, Candidate]) -> None:
    parent, child = family
    (parent.files / "weights.pt").unlink()
    found = LONG(child)
    plain = replace(LONG, inherit=False)(replace(child, files=child.files / "plain", parent=None))
    assert found["inherited"] == 0
    assert found["loss"] == plain["loss"]


def test_inheriting_draws_nothing_from_the_global_random_state(
    family: tuple[Candidate, Candidate],
) -> None:
    _, child = family
    first = LONG(child)
    torch.manual_seed(99)
    again = LONG(replace(child, files=child.files / "again"))
    assert first == again


def test_settings_and_metrics_are_described(task: Task) -> None:
    assert rebuild_estimator(describe(LONG)) == LONG
    assert metrics_of(LONG, task) is not None
    assert {"inherited", "preserved"} <= metrics_of(LONG, task)  # type: ignore[operator]
    assert "inherited" not in metrics_of(Train(), task)  # type: ignore[operator]
    with pytest.raises(ConfigError, match="net2net"):
        Train(inherit="overlap")  # type: ignore[arg-type]


def test_repeats_and_folds_inherit_from_their_own_kind(candidate: Make, tmp_path: Path) -> None:
    short = replace(LONG, epochs=2)
    for number, estimator in enumerate([Repeat(short, times=2), CrossValidate(short, folds=2)]):
        parent = candidate({"width": 8}, files=tmp_path / f"parent{number}")
        estimator(parent)
        child: Any = replace(
            candidate({"width": 16}, files=tmp_path / f"child{number}"),
            parent=Ancestor(0, NARROW, None, parent.files),
        )
        found = estimator(child)
        assert found.get("inherited", 1.0) == 1.0


def test_a_search_hands_weights_down(space: Any, task: Task, tmp_path: Path) -> None:
    deep = space.joint(lr=[0.01, 0.02, 0.03])
    search = BlackBox(Evolution(population=2, sample=2), replace(LONG, epochs=1), 6, keep=1)
    study = Experiment(deep, task, [search], tmp_path / "run", progress=False).run()
    children = [t for t in study.trials("search", State.DONE) if t.parent is not None]
    assert children
    assert all(trial.metrics["inherited"] == 1.0 for trial in children if _grows(study, trial))
    assert all(trial.metrics["inherited"] > 0 for trial in children)
    kept = list((tmp_path / "run" / "trials").glob("*/weights.pt"))
    assert len(kept) == 1


def _grows(study: Any, trial: Any) -> bool:
    return bool(trial.architecture["width"] >= study[trial.parent].architecture["width"])
