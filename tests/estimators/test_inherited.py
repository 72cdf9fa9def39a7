"""Scores with inherited weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from archloom import Architecture, Candidate, Cost, Inherited, combine
from archloom.errors import ConfigError, Diverged, RunError
from archloom.estimators import check_estimator, metrics_of
from archloom.nn import ModelSpace, Pick, Supernet, model_space
from archloom.oneshot import load_supernet, save_supernet, supernet_path
from archloom.task import Task, from_arrays


@model_space
def shared(pick: Pick, classes: int = 2) -> nn.Module:
    makes = {
        "wide": lambda: nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)),
        "skip": nn.Identity,
    }
    stem, op = nn.Conv2d(1, 3, 3, padding=1), pick.layer("op", makes)
    return nn.Sequential(stem, op, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))


@pytest.fixture(scope="module")
def task() -> Task:
    images = torch.rand(80, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    labels = (images.mean((1, 2, 3)) > 0.5).long()
    return from_arrays(images, labels, valid=0.25, test=0.2, name="bright").without_test()


def store(run: Path, space: ModelSpace = shared, name: str = "supernet", seed: int = 0) -> Supernet:
    torch.manual_seed(seed)
    supernet = space.supernet()
    content = {"supernet": supernet.state_dict(), "layout": "contiguous", "done": 3}
    save_supernet(supernet_path(run, name), content)
    return supernet


def candidate(run: Path, task: Task, op: str = "wide") -> Candidate:
    return Candidate(
        architecture=Architecture({"op": op}),
        space=shared,
        task=task,
        seed=0,
        epochs=None,
        files=run / "trials" / "00007",
        device=torch.device("cpu"),
        report=lambda step, metrics: None,
        remember=lambda key, measure: measure(),
    )


def test_the_score_is_that_of_the_supernets_path(tmp_path: Path, task: Task) -> None:
    supernet = store(tmp_path).eval()
    metrics = Inherited()(candidate(tmp_path, task, "skip"))
    with torch.no_grad():
        outputs = supernet(task.prepare(task.valid.inputs), gates={"op": "skip"})
    assert metrics == pytest.approx({**task.score(outputs, task.valid.targets), "inherited": 1.0})


def test_batch_statistics_are_measured_anew(tmp_path: Path, task: Task) -> None:
    """Statistics that are far off in the supernet leave the score as it is."""
    supernet = store(tmp_path)
    plain = Inherited()(candidate(tmp_path, task))
    supernet.get_submodule("model.1").option("wide")[1].running_mean.fill_(1e3)
    path = supernet_path(tmp_path, "supernet")
    save_supernet(path, {"supernet": supernet.state_dict(), "layout": "contiguous", "done": 4})
    assert Inherited()(candidate(tmp_path, task)) == plain


def test_more_batches_are_another_measurement(tmp_path: Path, task: Task) -> None:
    store(tmp_path)
    few = Inherited(batches=1, batch_size=4)(candidate(tmp_path, task))
    assert few["loss"] != Inherited()(candidate(tmp_path, task))["loss"]


def test_a_process_loads_the_supernet_once_and_again_when_it_changed(
    tmp_path: Path, task: Task
) -> None:
    store(tmp_path)
    path = supernet_path(tmp_path, "supernet")
    first = load_supernet(path, shared)
    Inherited()(candidate(tmp_path, task))
    Inherited()(candidate(tmp_path, task, "skip"))
    assert load_supernet(path, shared) is first
    store(tmp_path, seed=1)
    assert load_supernet(path, shared) is not first


def test_nothing_of_the_supernet_is_changed_and_no_weights_are_left(
    tmp_path: Path, task: Task
) -> None:
    store(tmp_path)
    stored = load_supernet(supernet_path(tmp_path, "supernet"), shared)
    before = {k: v.clone() for k, v in stored.supernet.state_dict().items()}
    Inherited()(candidate(tmp_path, task))
    after = stored.supernet.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not (tmp_path / "trials").exists()


def test_random_states_stay_as_they_are(tmp_path: Path, task: Task) -> None:
    store(tmp_path)
    torch.manual_seed(3)
    load_supernet(supernet_path(tmp_path, "supernet"), shared)
    drawn = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(2))


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda run: None, r"put OneShot\(...\) before the search"),
        (lambda run: store(run, name="supernets-own"), "did you mean 'supernets-own'"),
    ],
)
def test_no_supernet_is_told_with_the_mend(
    tmp_path: Path, task: Task, prepare: Callable[[Path], object], message: str
) -> None:
    prepare(tmp_path)
    with pytest.raises(ConfigError, match=message):
        Inherited()(candidate(tmp_path, task))


def test_a_damaged_supernet_is_told(tmp_path: Path, task: Task) -> None:
    store(tmp_path)
    path = supernet_path(tmp_path, "supernet")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="damaged"):
        Inherited()(candidate(tmp_path, task))


def test_a_supernet_of_another_space_is_told(tmp_path: Path, task: Task) -> None:
    store(tmp_path, shared(classes=5))
    with pytest.raises(RunError, match="belongs to another space"):
        Inherited()(candidate(tmp_path, task))


def test_weights_that_overflow_fail_the_trial(tmp_path: Path, task: Task) -> None:
    supernet = store(tmp_path)
    with torch.no_grad():
        supernet.model[4].weight.fill_(float("nan"))
    content = {"supernet": supernet.state_dict(), "layout": "contiguous", "done": 1}
    save_supernet(supernet_path(tmp_path, "supernet"), content)
    with pytest.raises(Diverged, match="validation loss must be finite"):
        Inherited()(candidate(tmp_path, task))


def test_it_can_be_combined_and_says_its_metrics(tmp_path: Path, task: Task) -> None:
    store(tmp_path)
    both = combine(Inherited(), Cost())
    found = both(candidate(tmp_path, task))
    known = metrics_of(both, task)
    assert known is not None
    assert set(found) <= known
    assert {"accuracy", "inherited", "params", "flops"} <= set(found)


def test_choices_of_the_training_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.lr"):
        check_estimator(Inherited(), shared.joint(lr=[0.1, 0.01]).space)


@pytest.mark.parametrize("settings", [{"batches": 0}, {"batch_size": True}])
def test_settings_are_checked(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="whole number from 1"):
        replace(Inherited(), **settings)


def test_the_order_of_candidates_does_not_matter(tmp_path: Path, task: Task) -> None:
    store(tmp_path)
    one = [Inherited()(candidate(tmp_path, task, op))["loss"] for op in ("wide", "skip")]
    other = [Inherited()(candidate(tmp_path, task, op))["loss"] for op in ("skip", "wide")]
    assert one == other[::-1]
    assert len(np.unique(one)) == 2


def test_a_supernet_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        load_supernet(supernet_path(tmp_path, "supernet"), shared)
