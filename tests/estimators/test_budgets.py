"""Budgets: a share of the effort, and trials that go on from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archloom.errors import ConfigError, Stopped
from archloom.estimators import (
    Ancestor,
    Candidate,
    Cost,
    CrossValidate,
    Estimator,
    Repeat,
    Train,
    budgets_of,
    combine,
    continues,
    describe,
    inherits_weights,
    rebuild_estimator,
)
from archloom.train import CHECKPOINT, load_tensors, save_tensors

Make = Callable[..., Candidate]
TRAIN = Train(epochs=6, batch_size=32, channels_last=False)


def promoted(make: Make, estimator: Estimator, files: Path, *budgets: float | None) -> Any:
    """Give the metrics of a trial promoted along the budgets, and its candidate."""
    parent: Ancestor | None = None
    for number, budget in enumerate(budgets):
        candidate = make(files=files / str(number), budget=budget, parent=parent)
        metrics = estimator(candidate)
        parent = Ancestor(number, candidate.architecture, budget, candidate.files)
    return metrics, candidate


def weights(candidate: Candidate, name: str = "weights.pt") -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(candidate.files / name, weights_only=True)
    return loaded


def test_epochs_are_offered_as_shares() -> None:
    assert budgets_of(Train(epochs=3)) == (1 / 3, 2 / 3, 1.0)
    assert budgets_of(Train(epochs=1)) == (1.0,)
    assert len(budgets_of(Train(fidelity="data"))) == 100
    assert budgets_of(Train(seconds=5.0)) == (1.0,)
    assert budgets_of(lambda candidate: {"accuracy": 1.0}) == (1.0,)


@pytest.mark.parametrize(
    ("budget", "epochs"), [(1 / 6, 1), (0.34, 3), (0.5, 3), (2 / 6 + 1e-12, 2), (1.0, 6)]
)
def test_a_budget_is_rounded_up_to_whole_epochs(
    candidate: Make, budget: float, epochs: int
) -> None:
    assert TRAIN(candidate(budget=budget))["epochs"] == epochs


def test_a_promoted_training_ends_as_an_uninterrupted_one(candidate: Make, tmp_path: Path) -> None:
    whole = candidate(files=tmp_path / "whole")
    expected = TRAIN(whole)
    metrics, last = promoted(candidate, TRAIN, tmp_path, 1 / 6, 0.5, None)
    assert metrics == expected
    first, second = weights(whole), weights(last)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_the_parent_trained_is_not_trained_again(
    candidate: Make, notes: Any, tmp_path: Path
) -> None:
    part = candidate(files=tmp_path / "part", budget=0.5)
    TRAIN(part)
    saved = load_tensors(part.files / CHECKPOINT)
    assert saved is not None
    saved["curve"][0][1]["accuracy"] = 0.125  # a mark that no training of its own would leave
    save_tensors(part.files / CHECKPOINT, saved)
    notes.reports.clear()
    parent = Ancestor(0, part.architecture, 0.5, part.files)
    TRAIN(candidate(files=tmp_path / "rest", parent=parent))
    assert [step for step, _ in notes.reports] == [1, 2, 3, 4, 5, 6]
    assert notes.reports[0][1]["accuracy"] == 0.125


def test_without_the_checkpoint_it_begins_anew_and_ends_the_same(
    candidate: Make, tmp_path: Path
) -> None:
    expected = TRAIN(candidate(files=tmp_path / "whole"))
    part = candidate(files=tmp_path / "part", budget=0.5)
    TRAIN(part)
    (part.files / CHECKPOINT).unlink()
    parent = Ancestor(0, part.architecture, 0.5, part.files)
    assert TRAIN(candidate(files=tmp_path / "rest", parent=parent)) == expected


def test_a_child_of_another_architecture_takes_no_checkpoint(
    candidate: Make, tmp_path: Path
) -> None:
    part = candidate(files=tmp_path / "part", budget=0.5)
    TRAIN(part)
    parent = Ancestor(0, part.architecture, 0.5, part.files)
    child = candidate({"width": 16}, files=tmp_path / "child", parent=parent)
    assert TRAIN(child) == TRAIN(candidate({"width": 16}, files=tmp_path / "alone"))


def test_a_checkpoint_stays_only_for_what_may_go_on(candidate: Make, tmp_path: Path) -> None:
    for name, budget, kept in (("part", 0.5, True), ("full", 1.0, False), ("plain", None, False)):
        TRAIN(candidate(files=tmp_path / name, budget=budget))
        assert (tmp_path / name / CHECKPOINT).is_file() is kept
    data = replace(TRAIN, fidelity="data")
    data(candidate(files=tmp_path / "data", budget=0.5))
    assert not (tmp_path / "data" / CHECKPOINT).is_file()


def test_a_share_of_the_data_is_a_fraction_and_begins_anew(candidate: Make, tmp_path: Path) -> None:
    data = replace(TRAIN, fidelity="data", fraction=0.8)
    same = replace(TRAIN, fraction=0.4)
    assert data(candidate(files=tmp_path / "a", budget=0.5)) == same(
        candidate(files=tmp_path / "b")
    )
    metrics, _ = promoted(candidate, data, tmp_path, 0.5, None)
    assert metrics == replace(TRAIN, fraction=0.8)(candidate(files=tmp_path / "c"))
    assert not continues(data)


def test_a_budget_of_a_training_by_seconds_is_refused(candidate: Make) -> None:
    with pytest.raises(ConfigError, match="seconds=3"):
        Train(seconds=3.0)(candidate(budget=0.5))
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        Train(fidelity="epoch")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "estimator",
    [Repeat(TRAIN, times=2), CrossValidate(TRAIN, folds=2), combine(TRAIN, Cost())],
    ids=["repeat", "folds", "combine"],
)
def test_what_is_built_on_training_passes_budgets_on(
    estimator: Any, candidate: Make, tmp_path: Path
) -> None:
    assert budgets_of(estimator) == budgets_of(TRAIN)
    assert continues(estimator)
    whole = estimator(candidate(files=tmp_path / "whole"))
    part, _ = promoted(candidate, estimator, tmp_path / "part", 1 / 3)
    assert part["epochs"] == 2
    assert promoted(candidate, estimator, tmp_path / "all", 1 / 3, None)[0] == whole


def test_combined_estimators_offer_what_they_share() -> None:
    four, six = Train(epochs=4), Train(epochs=6)
    assert budgets_of(combine(four, six)) == pytest.approx((0.5, 1.0))
    assert budgets_of(combine(Cost(), Cost())) == (1.0,)
    assert not continues(combine(Cost(), Train(fidelity="data")))


def test_fidelity_is_a_setting_that_is_kept() -> None:
    train = Train(epochs=2, fidelity="data")
    assert rebuild_estimator(describe(train)) == train
    assert not inherits_weights(combine(train, Cost()))


def test_a_stopped_training_says_what_it_costs(candidate: Make) -> None:
    def stop(step: int, metrics: Any) -> None:
        if step == 2:
            raise Stopped("enough")

    stopped = candidate(report=stop)
    with pytest.raises(Stopped, match="enough") as raised:
        combine(Cost(), TRAIN)(stopped)
    assert raised.value.metrics.keys() == {"params", "flops"}
    with pytest.raises(Stopped) as later:
        combine(TRAIN, Cost())(candidate(report=stop))
    assert later.value.metrics == raised.value.metrics
    assert not (stopped.files / CHECKPOINT).is_file()
    part = candidate(report=stop, budget=0.5)
    with pytest.raises(Stopped):
        TRAIN(part)
    assert (part.files / CHECKPOINT).is_file(), "it may still be promoted"
