"""Experiments over a toy space: what is recorded, what is refused, what goes on."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from archloom import (
    BlackBox,
    Candidate,
    Evolution,
    Experiment,
    Grid,
    Random,
    Retrain,
    State,
    Study,
    Test,
    Train,
)
from archloom.errors import (
    ConfigError,
    Infeasible,
    RunChanged,
    RunError,
    RunInUse,
    SpaceError,
    TestSplitGuarded,
    TooManyFailures,
)
from archloom.journal import SqliteJournal
from archloom.nn import ModelSpace, Pick, model_space
from archloom.task import Task, from_arrays
from archloom.testing import facts

Make = Callable[..., Experiment]


def test_trials_are_recorded_and_a_finished_run_stays_as_it_is(make: Make) -> None:
    study = make().run()
    assert [t.state for t in study.trials()] == [State.DONE] * 4
    assert study.best().metrics["accuracy"] == max(t.metrics["accuracy"] for t in study.trials())
    again = make().run()
    assert again.events == study.events


def test_an_exhausted_space_ends_cleanly(make: Make) -> None:
    study = make(trials=50).run()
    assert len(study) == 6
    assert study.note("stage-end") == {
        "stage": "search",
        "reason": "all 6 architectures were tried",
    }


def test_more_trials_go_on_with_the_same_run(make: Make) -> None:
    first = facts(make(trials=2).run())
    longer = facts(make(trials=5).run())
    assert longer[:2] == first
    assert len(longer) == 5


def test_a_failing_trial_is_kept_and_the_search_goes_on(make: Make) -> None:
    def picky(candidate: Candidate) -> Mapping[str, float]:
        if candidate.architecture["width"] == 8:
            raise RuntimeError("eight does not fit")
        return {"accuracy": 0.5}

    study = make(picky, trials=6).run()
    failed = study.trials(None, State.FAILED)
    assert {t.architecture["width"] for t in failed} == {8}
    assert all("eight does not fit" in (t.error or "") for t in failed)
    assert len(study.trials(None, State.DONE)) == 4


def test_failures_in_a_row_stop_the_search_with_the_reason(make: Make) -> None:
    def broken(candidate: Candidate) -> Mapping[str, float]:
        raise ValueError("wires crossed")

    with pytest.raises(TooManyFailures, match=r"3 trials failed in a row(.|\n)*wires crossed"):
        make(broken, trials=6, max_failures=3).run()
    assert len(Study.open(make().folder)) == 3


def test_nan_fails_the_trial(make: Make) -> None:
    def some_nan(candidate: Candidate) -> Mapping[str, float]:
        return {"accuracy": math.nan if candidate.architecture["relu"] else 0.1}

    study = make(some_nan, trials=6).run()
    assert len(study.trials(None, State.FAILED)) == 3
    assert study.best().metrics == {"accuracy": 0.1}


def test_a_missing_objective_is_named_with_what_there_is(make: Make) -> None:
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        make(objectives=["acuracy"]).run()


def test_a_missing_objective_is_found_before_training_where_that_can_be_known(make: Make) -> None:
    experiment = make(Train(epochs=1), objectives=["min latency_ms"])
    with pytest.raises(ConfigError, match="'latency_ms' is no metric"):
        experiment.run()
    assert not experiment.folder.exists()


def test_an_estimator_that_gives_no_mapping_fails_with_the_mend(make: Make) -> None:
    with pytest.raises(TooManyFailures, match="accuracy"):
        make(lambda candidate: 0.5, max_failures=1).run()


def test_constraints_reject_before_anything_is_evaluated(make: Make) -> None:
    seen = []

    def note(candidate: Candidate) -> Mapping[str, float]:
        seen.append(candidate.architecture["width"])
        return {"accuracy": 0.5}

    study = make(note, trials=6, constraints=["params <= 200"]).run()
    rejected = study.trials(None, State.REJECTED)
    assert set(seen) == {4, 8}
    assert {t.architecture["width"] for t in rejected} == {24}
    # 16 inputs, w hidden, 2 classes: 16w + w + 2w + 2
    assert all(t.metrics["params"] == 19 * 24 + 2 for t in rejected)
    assert len(study.trials(None, State.DONE)) == 4


def test_an_impossible_constraint_stops_before_a_folder_is_made(make: Make) -> None:
    experiment = make(constraints=["params <= 10"])
    with pytest.raises(Infeasible, match=r"params <= 10.*params 78"):
        experiment.run()
    assert not experiment.folder.exists()


def test_a_constraint_on_a_trained_metric_is_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match="must be a cost"):
        make(constraints=["accuracy >= 0.5"]).run()


def test_a_changed_space_is_refused_by_name(make: Make, space: ModelSpace) -> None:
    make().run()
    with pytest.raises(RunChanged, match="choice 'width' has other options"):
        make(space=space(widest=32)).run()


def test_changed_model_code_is_refused(make: Make) -> None:
    def variant(extra: bool) -> ModelSpace:
        @model_space
        def shifting(pick: Pick, shape: list[int], classes: int) -> nn.Module:
            width = pick.value("width", [4, 8])
            pick.value("relu", [False, True])
            return nn.Sequential(
                nn.Flatten(), nn.Linear(16, width, bias=extra), nn.Linear(width, 2)
            )

        return shifting

    make(space=variant(True)).run()
    with pytest.raises(RunChanged, match="builds other layers"):
        make(space=variant(False)).run()


def test_changed_data_are_refused(make: Make, task: Task) -> None:
    make().run()
    inputs = task.train.inputs
    assert isinstance(inputs, torch.Tensor)
    other = from_arrays(
        inputs + 1, task.train.targets, valid=0.25, test=0.2, seed=0, name="brightness"
    )
    with pytest.raises(RunChanged, match="the data"):
        make(task=other).run()


def test_a_changed_strategy_or_seed_is_refused(make: Make) -> None:
    make().run()
    with pytest.raises(RunChanged, match="strategy"):
        make(strategy=Grid()).run()
    with pytest.raises(RunChanged, match="seed: 1 -> 2"):
        make(seed=2).run()


def test_an_interrupt_leaves_a_trial_that_starts_again_with_its_seed(make: Make) -> None:
    whole = facts(make(folder=make().folder.parent / "whole").run())
    seeds = []

    def interrupted(candidate: Candidate) -> Mapping[str, float]:
        seeds.append(candidate.seed)
        if len(seeds) == 3:
            raise KeyboardInterrupt
        return _by_width(candidate)

    with pytest.raises(KeyboardInterrupt) as caught:
        make(interrupted).run()
    assert "2 finished trials are kept" in caught.value.__notes__[0]
    assert f"archloom resume {make().folder}" in caught.value.__notes__[0]
    study = Study.open(make().folder)
    assert [t.state for t in study.trials()] == [State.DONE, State.DONE, State.RUNNING]
    seeds_before = list(seeds)
    resumed = make(interrupted).run()
    assert seeds[3] == seeds_before[2]
    assert facts(resumed) == whole


def _by_width(candidate: Candidate) -> Mapping[str, float]:
    width, relu = candidate.architecture["width"], candidate.architecture["relu"]
    assert isinstance(width, int)
    return {"accuracy": width / 100 + (0.001 if relu else 0.0)}


def test_a_full_disk_stops_the_run_and_nothing_is_lost(make: Make) -> None:
    full = [True]

    def writes(candidate: Candidate) -> Mapping[str, float]:
        if candidate.architecture["relu"] and full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return _by_width(candidate)

    with pytest.raises(RunError, match=r"full. Everything recorded is safe(.|\n)*archloom resume"):
        make(writes, trials=6).run()
    before = facts(Study.open(make().folder))
    assert before[-1]["state"] == "running"
    full[0] = False
    after = facts(make(writes, trials=6).run())
    assert after[: len(before) - 1] == before[:-1]
    assert [fact["state"] for fact in after] == ["done"] * 6


def test_a_folder_in_use_is_refused(make: Make) -> None:
    make().run()
    with (
        SqliteJournal(make().folder, write=True),
        pytest.raises(RunInUse, match="in use by process"),
    ):
        make(trials=6).run()


def test_minutes_end_the_search(make: Make) -> None:
    with pytest.raises(ConfigError, match="minutes must be positive"):
        make(minutes=0)
    study = make(minutes=1e-9, trials=6).run()
    assert len(study) == 1
    assert "minutes are used up" in (study.note("stage-end") or {})["reason"]


def test_stage_names_must_differ(make: Make) -> None:
    two = [BlackBox(Random(), _by_width), BlackBox(Grid(), _by_width)]
    with pytest.raises(ConfigError, match="name of its own"):
        make(stages=two)


def test_a_space_that_does_not_fit_the_task_stops_before_training(make: Make) -> None:
    @model_space
    def headless(pick: Pick, classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, pick.value("width", [3, 5])))

    experiment = make(space=headless)
    with pytest.raises(SpaceError, match=r"\(2, [35]\)"):
        experiment.run()
    assert not experiment.folder.exists()


# -- search, retrain, test -------------------------------------------------------------------


def whole(make: Make, **settings: object) -> Experiment:
    stages = [
        BlackBox(Evolution(population=2, sample=2), Train(epochs=1, batch_size=16), trials=3),
        Retrain(top=2, epochs=2),
        Test(),
    ]
    return make(stages=stages, **settings)


def test_the_whole_way(make: Make) -> None:
    experiment = whole(make)
    study = experiment.run()
    retrained = study.trials("retrain")
    assert [t.epochs for t in retrained] == [2, 2]
    assert [len(t.curve) for t in retrained] == [2, 2]
    best = [t.number for t in study.top(2, stage="search")]
    assert [t.parent for t in retrained] == best
    tested = {note.data["trial"]: note.data for note in study.notes("test")}
    assert {t.number for t in retrained} <= set(tested)
    for data in tested.values():
        confusion = torch.tensor(data["confusion"])
        assert int(confusion.sum()) == experiment.task.test_size
        hits = confusion.diagonal().sum() / confusion.sum()
        assert data["metrics"]["accuracy"] == pytest.approx(float(hits))
    assert (experiment.folder / "best" / "model.pt").is_file()
    assert whole(make).run().events == study.events


def test_the_record_shows_each_test_access_once_and_before_the_result(make: Make) -> None:
    events = []
    whole(make, progress=lambda event, study: events.append(event)).run()
    kinds = [(e.kind, e.data["trial"]) for e in events if getattr(e, "kind", "").startswith("test")]
    for number in {trial for _, trial in kinds}:
        mine = [kind for kind, trial in kinds if trial == number]
        assert mine == ["test-access", "test"]


def test_candidates_cannot_reach_the_test_split(make: Make) -> None:
    def nosy(candidate: Candidate) -> Mapping[str, float]:
        with pytest.raises(TestSplitGuarded):
            candidate.task.test  # noqa: B018
        with pytest.raises(TestSplitGuarded):
            candidate.task.open_test(lambda: None)
        assert not candidate.task.has_test
        return {"accuracy": 1.0}

    study = make(nosy, trials=1).run()
    assert study.notes("test-access") == []


def test_the_best_model_on_disk_is_the_winner(make: Make) -> None:
    experiment = whole(make)
    study = experiment.run()
    best = study.note("best")
    assert best is not None
    winner = study[best["trial"]]
    model = experiment.model()
    valid = experiment.task.valid
    on_disk = torch.load(experiment.folder / "best" / "model.pt", weights_only=False)
    bare = experiment.model(raw_inputs=False)
    assert isinstance(valid.inputs, torch.Tensor)
    with torch.inference_mode():
        outputs = model(valid.inputs)  # raw, as they lie in the data
        assert torch.equal(outputs, on_disk(valid.inputs))
        assert torch.allclose(outputs, bare(experiment.task.prepare(valid.inputs)), atol=1e-6)
    scores = experiment.task.score(outputs, valid.targets)
    assert scores["accuracy"] == pytest.approx(winner.metrics["accuracy"])


def test_only_the_best_trials_keep_files(make: Make) -> None:
    stage = BlackBox(Random(), Train(epochs=1, batch_size=32), trials=5, keep=2)
    experiment = make(stages=[stage])
    study = experiment.run()
    kept = {int(path.name) for path in (experiment.folder / "trials").iterdir()}
    ranked = sorted(study.trials(), key=lambda t: (-t.metrics["accuracy"], t.number))
    assert kept == {t.number for t in ranked[:2]}
    with pytest.raises(RunError, match="keeps the weights of its best"):
        experiment.model(ranked[-1])


def test_a_run_from_memory_says_how_to_go_on(make: Make) -> None:
    make().run()
    with pytest.raises(ConfigError, match="run the script that started it again"):
        Experiment.resume(make().folder)


@pytest.mark.slow
def test_sigkill_and_resume_end_in_the_undisturbed_study() -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "kill_resume.py"
    command = [sys.executable, str(script), "--kills", "3", "--trials", "3", "--epochs", "6"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # other tests run beside this one
    done = subprocess.run([*command, "--most", "12"], env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all equal to the undisturbed run" in done.stdout
