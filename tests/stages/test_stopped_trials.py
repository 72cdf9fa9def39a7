"""Searches with a stopper, in this process and in workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archloom import BlackBox, Cost, Experiment, Grid, Random, Repeat, State, Study, Train, combine
from archloom.errors import ConfigError
from archloom.estimators import Candidate, Estimator
from archloom.stages import Stage
from archloom.stoppers import CurveStopper, Halving, Median, Never
from archloom.testing import StageContract, tiny_space, tiny_task
from archloom.trial import Trial


@dataclass(frozen=True)
class Scripted:
    """Reports a value of the width over five steps; the widest of 2, 4 and 8 is the best."""

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        width = candidate.architecture["width"]
        assert isinstance(width, int)
        for step in range(1, 6):
            candidate.report(step, {"accuracy": width / 10 + step / 100})
        return {"accuracy": width / 10 + 0.05}


class UpToTwo:
    """Stops a width of 2 after its second step."""

    def __call__(self, study: Study, trial: Trial) -> bool:
        return trial.architecture["width"] == 2 and len(trial.curve) == 2


def stop_at_two(study: Study, trial: Trial) -> bool:
    """Stop every trial at its second step."""
    return len(trial.curve) == 2


def search(
    folder: Path, stopper: Any, estimator: Estimator | None = None, **settings: Any
) -> Study:
    stage = BlackBox(Grid(), estimator or Scripted(), trials=6, keep=9, stopper=stopper)
    return Experiment(
        tiny_space, tiny_task(), [stage], folder, progress=False, device="cpu", **settings
    ).run()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_trial_is_scored_by_its_last_report(tmp_path: Path, workers: int) -> None:
    study = search(tmp_path, UpToTwo(), workers=workers)
    by_state = {state: study.trials(None, state) for state in State}
    assert {trial.architecture["width"] for trial in by_state[State.STOPPED]} == {2}
    assert {trial.architecture["width"] for trial in by_state[State.DONE]} == {4, 8}
    for trial in by_state[State.STOPPED]:
        assert len(trial.curve) == 2
        assert trial.metrics == trial.curve[-1][1] == {"accuracy": 0.22}
    assert len(study) == 6


def test_without_a_stopper_and_with_never_all_is_finished(tmp_path: Path) -> None:
    plain = search(tmp_path / "plain", None)
    never = search(tmp_path / "never", Never())
    for study in (plain, never):
        assert {trial.state for trial in study.trials()} == {State.DONE}
    assert [t.metrics for t in plain.trials()] == [t.metrics for t in never.trials()]


def test_the_rules_work_on_a_search(tmp_path: Path) -> None:
    """The grid tries widths 2, 2, 4, 4, 8, 8: each is better than those before."""
    rising = search(tmp_path / "rising", Median(startup=1))
    assert not rising.trials(None, State.STOPPED)
    halved = search(tmp_path / "halved", Halving(eta=2))
    stopped = {trial.number for trial in halved.trials(None, State.STOPPED)}
    assert stopped == set(), "who is the best so far passes every rung"
    falling = search(tmp_path / "falling", Median(startup=1), objectives=["min accuracy"])
    widths = [trial.architecture["width"] for trial in falling.trials(None, State.STOPPED)]
    assert widths == [4, 4, 8, 8]
    both = search(tmp_path / "both", Halving(eta=2), objectives=["min accuracy"])
    assert [len(trial.curve) for trial in both.trials()] == [5, 5, 1, 1, 1, 1]


def test_costs_are_measured_of_stopped_trials_too(tmp_path: Path) -> None:
    train = Train(epochs=3, batch_size=32, channels_last=False)
    study = search(
        tmp_path, stop_at_two, combine(train, Cost()), objectives=["accuracy", "min flops"]
    )
    assert len(study.trials(None, State.STOPPED)) == 6
    for trial in study.trials():
        width = trial.architecture["width"]
        assert isinstance(width, int)
        assert trial.metrics["params"] == 19 * width + 2
        assert trial.metrics["flops"] > 0
        assert trial.metrics["accuracy"] == trial.curve[-1][1]["accuracy"]
    assert not list(tmp_path.rglob("checkpoint.pt"))
    assert study.front()


def test_a_repeated_training_is_stopped_as_a_whole(tmp_path: Path) -> None:
    train = Train(epochs=1, batch_size=32, channels_last=False)
    study = search(tmp_path, stop_at_two, Repeat(train, times=3))
    assert {trial.state for trial in study.trials()} == {State.STOPPED}
    assert all(len(trial.curve) == 2 for trial in study.trials())


def test_a_missing_objective_of_a_stopped_trial_is_an_error(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class LateMetric:
        def __call__(self, candidate: Candidate) -> Mapping[str, float]:
            candidate.report(1, {"accuracy": 0.5})
            candidate.report(2, {"accuracy": 0.5})
            return {"accuracy": 0.5, "late": 1.0}

    with pytest.raises(ConfigError, match="'late'"):
        search(tmp_path, stop_at_two, LateMetric(), objectives=["accuracy", "late"])


@pytest.mark.parametrize(
    ("estimator", "objective", "words"),
    [
        (Cost(), "min params", "reports nothing"),
        (combine(Train(epochs=1), Cost()), "min flops", "'flops' is not reported"),
    ],
)
def test_what_is_never_reported_cannot_be_stopped_by(
    tmp_path: Path, estimator: Estimator, objective: str, words: str
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match=words):
        search(folder, "median", estimator, objectives=[objective])
    assert not folder.exists()


def test_a_stopper_is_given_by_name_and_comes_back_from_the_record(tmp_path: Path) -> None:
    stage = BlackBox(Random(), Train(epochs=1), trials=1, stopper="halving")  # type: ignore[arg-type]
    assert stage.stopper == Halving()
    assert stage.describe()["stopper"] == {"name": "halving", "eta": 3, "first": 1}
    given = {"name": "curve", "chance": 0.2}
    stage = BlackBox(Random(), Train(epochs=1), stopper=given)  # type: ignore[arg-type]
    assert stage.stopper == CurveStopper(chance=0.2)
    from archloom.stages import rebuild

    assert rebuild(stage.describe()).describe() == stage.describe()
    function = BlackBox(Random(), Train(epochs=1), stopper=stop_at_two)
    assert rebuild(function.describe()) == function
    assert BlackBox(Random(), Train(epochs=1)).describe()["stopper"] is None


@pytest.mark.parametrize(
    ("stopper", "words"),
    [
        ("medium", "did you mean 'median'"),
        ({"name": "median", "start": 3}, "did you mean 'startup'"),
        ({"startup": 3}, "described by its name"),
        (3, "described by its name"),
    ],
)
def test_a_stopper_that_is_none_is_refused(stopper: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        BlackBox(Random(), Train(epochs=1), stopper=stopper)


class TestStoppedSearch(StageContract):
    """Interrupted anywhere, also between a report and the stop, it ends the same."""

    def make(self) -> Sequence[Stage]:
        train = Train(epochs=3, batch_size=32, channels_last=False)
        return [BlackBox(Grid(), combine(train, Cost()), trials=3, stopper=Halving(eta=2))]
