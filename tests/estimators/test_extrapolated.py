"""Training for a while, and what the curve then says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archloom.curves import extrapolate
from archloom.errors import ConfigError
from archloom.estimators import (
    Candidate,
    Cost,
    Extrapolated,
    Train,
    combine,
    describe,
    metrics_of,
    rebuild_estimator,
)
from archloom.task import Task

Make = Callable[..., Candidate]
TRAIN = Train(epochs=10, batch_size=32, channels_last=False, restore_best=False)


def test_it_trains_the_beginning_and_gives_the_forecast_of_the_curve(
    candidate: Make, notes: Any, task: Task
) -> None:
    metrics = Extrapolated(TRAIN, share=0.5)(candidate())
    steps = [step for step, _ in notes.reports]
    values = [reported["accuracy"] for _, reported in notes.reports]
    assert steps == [1, 2, 3, 4, 5]
    forecast = extrapolate(steps, values, 10)
    assert metrics["accuracy"] == min(forecast.mean, 1.0)
    assert metrics["accuracy_std"] == forecast.std > 0
    assert metrics["accuracy_seen"] == values[-1]
    assert metrics["epochs"] == 5
    assert metrics.keys() <= (metrics_of(Extrapolated(TRAIN), task) or set())


def test_the_epochs_are_those_of_the_full_schedule(candidate: Make, notes: Any) -> None:
    Extrapolated(TRAIN, share=0.3)(candidate())
    part = list(notes.reports)
    notes.reports.clear()
    TRAIN(candidate(files=candidate().files.parent / "whole"))
    assert part == notes.reports[:3]


@pytest.mark.parametrize(
    ("epochs", "share", "trained"), [(20, 0.3, 6), (10, 0.21, 3), (5, 0.1, 3), (2, 0.3, 2)]
)
def test_at_least_three_epochs_are_trained(epochs: int, share: float, trained: int) -> None:
    assert Extrapolated(share=share).epochs_of(epochs) == trained


def test_a_short_schedule_is_trained_to_its_end(candidate: Make, tmp_path: Path) -> None:
    short = candidate(epochs=2)
    metrics = Extrapolated(TRAIN)(short)
    whole = TRAIN(candidate(epochs=2, files=tmp_path / "other"))
    assert metrics == {**whole, "accuracy_std": 0.0, "accuracy_seen": whole["accuracy"]}
    assert (short.files / "weights.pt").is_file()


def test_no_weights_are_left_for_a_score_that_is_not_theirs(candidate: Make) -> None:
    part = candidate()
    Extrapolated(TRAIN)(part)
    assert list(part.files.iterdir()) == []


def test_a_loss_stays_positive_and_the_best_epoch_is_a_bound(candidate: Make, notes: Any) -> None:
    train = Train(epochs=40, batch_size=8, channels_last=False, lr=0.02)
    metrics = Extrapolated(train, share=0.1, metric="loss")(candidate())
    assert 0 <= metrics["loss"] <= metrics["loss_seen"]
    assert metrics["loss_seen"] in [reported["loss"] for _, reported in notes.reports]


def test_out_of_patience_there_is_nothing_left_to_come(candidate: Make) -> None:
    train = Train(epochs=10, batch_size=32, channels_last=False, patience=1, lr=1e-9)
    metrics = Extrapolated(train, share=0.9)(candidate())
    assert metrics["epochs"] == 2
    assert metrics["accuracy_std"] == 0
    assert metrics["accuracy"] == metrics["accuracy_seen"]


def test_it_is_described_and_combined() -> None:
    estimator = combine(Extrapolated(TRAIN, share=0.4, drift=0), Cost())
    assert rebuild_estimator(describe(estimator)) == estimator


def test_an_unknown_metric_is_named(candidate: Make) -> None:
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        Extrapolated(TRAIN, metric="acuracy")(candidate())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"share": 0}, "share of Extrapolated"),
        ({"share": 1.5}, "share of Extrapolated"),
        ({"drift": -1}, "drift of Extrapolated"),
        ({"train": Train(seconds=3.0)}, "seconds=3"),
        ({"train": Train(fidelity="data")}, "fidelity='data'"),
        ({"train": Cost()}, "trains with a `Train`"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Extrapolated(**settings)
