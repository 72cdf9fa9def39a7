"""A study is the fold of its journal: what it holds, and what it says is best."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archloom import Architecture, Objective, State, Study
from archloom.errors import ConfigError, JournalError
from archloom.journal import Event, Finished, MemoryJournal, Noted, Reported, SqliteJournal, Started
from archloom.objective import dominates


def _trial(
    number: int,
    metrics: Mapping[str, float] | None = None,
    *,
    width: int | None = None,
    stage: str = "search",
    state: State = State.DONE,
    seconds: float = 1.0,
) -> list[Event]:
    architecture = Architecture({"width": number if width is None else width})
    started = Started(number, stage, architecture, seed=number, time=float(number))
    return [started, Finished(number, state, metrics or {}, seconds)]


def _study(*trials: list[Event], objectives: list[str] | None = None) -> Study:
    header = [Noted("experiment", {"objectives": objectives})] if objectives else []
    return Study.of([*header, *(event for trial in trials for event in trial)])


def _numbers(study: Study, k: int = 10, **where: str) -> list[int]:
    return [trial.number for trial in study.top(k, **where)]


# -- the fold --------------------------------------------------------------------------------


def test_a_trial_is_the_fold_of_its_events() -> None:
    architecture = Architecture({"width": 16})
    study = Study.of([Started(4, "search", architecture, 7, epochs=3, parent=2, time=100.0)])
    running = study[4]
    assert (running.state, running.metrics, running.curve) == (State.RUNNING, {}, ())
    study.apply(Reported(4, 1, {"accuracy": 0.5}, seconds=2.0))
    study.apply(Reported(4, 2, {"accuracy": 0.7, "loss": 1.0}, seconds=4.0))
    assert study[4].seconds == 4.0
    study.apply(Finished(4, State.DONE, {"accuracy": 0.75}, seconds=5.0))
    ended = study[4]
    assert (ended.state, ended.metrics, ended.seconds) == (State.DONE, {"accuracy": 0.75}, 5.0)
    assert (ended.epochs, ended.parent, ended.seed, ended.started) == (3, 2, 7, 100.0)
    assert study.curve(4, "accuracy") == [(1, 0.5), (2, 0.7)]
    assert study.curve(4, "loss") == [(2, 1.0)]
    assert running.state is State.RUNNING, "a trial that was handed out does not change"
    with pytest.raises(FrozenInstanceError):
        ended.seconds = 0.0  # type: ignore[misc]


def test_a_failed_trial_keeps_its_error_and_is_not_scored() -> None:
    events = _trial(0, {"accuracy": 0.5})
    events += [
        Started(1, "search", Architecture({}), 0),
        Finished(1, State.FAILED, error="Diverged: the loss became NaN"),
    ]
    study = Study.of(events)
    assert study[1].error == "Diverged: the loss became NaN"
    assert [trial.number for trial in study.trials(None, State.FAILED)] == [1]
    assert _numbers(study) == [0]


def test_a_restarted_trial_reports_its_epochs_once() -> None:
    """After a kill the epochs since the checkpoint run again; the first report of each stays."""
    study = Study.of([Started(0, "search", Architecture({}), 0)])
    for step, value, seconds in [(1, 0.1, 1.0), (2, 0.2, 2.0), (2, 0.9, 3.0), (1, 0.8, 3.5)]:
        study.apply(Reported(0, step, {"accuracy": value}, seconds))
    study.apply(Reported(0, 3, {"accuracy": 0.3}, 4.0))
    assert study.curve(0, "accuracy") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert study[0].seconds == 4.0


def test_steps_may_come_in_any_order() -> None:
    study = Study.of([Started(0, "search", Architecture({}), 0)])
    for step in (5, 2, 9, 2, 5):
        study.apply(Reported(0, step, {"loss": float(step)}))
    assert study.curve(0, "loss") == [(5, 5.0), (2, 2.0), (9, 9.0)]


def test_notes_are_kept_by_kind_and_the_last_header_counts() -> None:
    study = Study.of([Noted("experiment", {"seed": 1}), Noted("a", {"n": 1}), Noted("a", {"n": 2})])
    study.apply(Noted("experiment", {"seed": 2}))
    assert study.header == {"seed": 2}
    assert [note.data["n"] for note in study.notes("a")] == [1, 2]
    assert study.note("a") == {"n": 2}
    assert study.note("missing") is None
    assert study.notes("missing") == []
    assert study.events == 4


def test_an_empty_study_answers() -> None:
    study = Study()
    assert len(study) == study.count() == study.seconds == 0
    assert (study.header, study.trials(), study.front(), study.told("search")) == ({}, [], [], [])
    assert study.objectives == (Objective("accuracy"),)
    with pytest.raises(ConfigError, match="no trial 0"):
        study[0]
    with pytest.raises(ConfigError, match="No trial is scored yet, of 0 recorded"):
        study.best()


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([Reported(3, 1, {})], "Reported event for trial 3, which never started"),
        ([Finished(3, State.DONE)], "Finished event for trial 3, which never started"),
        ([*_trial(3), Finished(3, State.DONE)], "trial 3, which has ended before"),
        ([*_trial(3), *_trial(3)], "Started event for trial 3, which has started before"),
    ],
)
def test_a_record_out_of_order_is_refused(events: list[Event], message: str) -> None:
    with pytest.raises(JournalError, match=message):
        Study.of(events)


def test_told_is_each_start_and_each_end_in_order() -> None:
    first, second = _trial(0, {"accuracy": 0.1}), _trial(1, {"accuracy": 0.2})
    other = _trial(2, {"accuracy": 0.3}, stage="retrain")
    study = Study.of([first[0], second[0], Reported(0, 1, {}), second[1], other[0], first[1]])
    told = [(trial.number, trial.state) for trial in study.told("search")]
    running, done = State.RUNNING, State.DONE
    assert told == [(0, running), (1, running), (1, done), (0, done)]
    assert [trial.number for trial in study.told("retrain")] == [2]
    assert study.told("search")[-1].curve == ((1, {}),)


def test_a_trial_rejected_at_once_is_told_once() -> None:
    """As the search does: there is no time between its start and its end."""
    study = _study(_trial(0), _trial(1, {"params": 9.0}, state=State.REJECTED), _trial(2))
    told = [(trial.number, trial.state) for trial in study.told("search")]
    running, done = State.RUNNING, State.DONE
    assert told == [(0, running), (0, done), (1, State.REJECTED), (2, running), (2, done)]


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_counts_and_seconds_are_those_of_the_trials(seed: int, length: int) -> None:
    """Whatever the order of events: the running totals equal a count from scratch."""
    rng = random.Random(seed)
    study, running = Study(), []
    for _ in range(length):
        match rng.choice(["start", "report", "finish"]):
            case "start":
                running.append(len(study))
                stage = rng.choice(["search", "retrain"])
                study.apply(Started(len(study), stage, Architecture({}), 0))
            case "report" if running:
                number = rng.choice(running)
                study.apply(Reported(number, rng.randrange(5), {"a": 1.0}, rng.randrange(99) / 4))
            case "finish" if running:
                number = running.pop(rng.randrange(len(running)))
                state = rng.choice([s for s in State if s.ended])
                study.apply(Finished(number, state, seconds=rng.randrange(99) / 4))
    assert study.seconds == sum(trial.seconds for trial in study.trials())
    for stage in (None, "search", "retrain", "other"):
        assert study.count(stage) == len(study.trials(stage))
        for state in State:
            assert study.count(stage, state) == len(study.trials(stage, state))
    assert study.count(None, *State) == len(study)


def test_the_study_of_a_folder_is_that_of_its_events(tmp_path: Path) -> None:
    events = [
        Noted("experiment", {"objectives": ["min loss"], "title": "ü"}),
        *_trial(0, {"loss": 0.5}),
        Started(1, "search", Architecture({"ops": ["a", None]}), 3),
        Reported(1, 1, {"loss": math.nan}),
    ]
    with SqliteJournal(tmp_path, write=True) as journal:
        journal.append(*events[:2])
        journal.append(*events[2:])
        opened = Study.open(tmp_path)  # while the writer is at it
    memory = MemoryJournal()
    memory.append(*events)
    for study in (opened, Study.open(tmp_path), Study.of(e for _, e in memory.read())):
        assert repr(study.trials()) == repr(Study.of(events).trials())
        assert study.header == events[0].data  # type: ignore[union-attr]


# -- the best --------------------------------------------------------------------------------


def test_top_is_best_first_and_the_older_wins_a_tie() -> None:
    study = _study(
        _trial(0, {"accuracy": 0.5}),
        _trial(1, {"accuracy": 0.7}),
        _trial(2, {"accuracy": 0.7}),
        _trial(3, {"accuracy": 0.6}, state=State.STOPPED),
        _trial(4, {"accuracy": 0.9}, state=State.FAILED),
        _trial(5, {"accuracy": 0.9}, state=State.REJECTED),
    )
    assert _numbers(study) == [1, 2, 3, 0]
    assert _numbers(study, 2) == [1, 2]
    assert study.best().number == study.best("accuracy").number == 1


def test_top_is_of_distinct_architectures() -> None:
    study = _study(
        _trial(0, {"accuracy": 0.5}, width=16),
        _trial(1, {"accuracy": 0.9}, width=16),
        _trial(2, {"accuracy": 0.8}, width=16, stage="retrain"),
        _trial(3, {"accuracy": 0.7}, width=32),
    )
    assert _numbers(study) == [1, 3]
    assert _numbers(study, stage="retrain") == [2]


def test_the_recorded_direction_counts() -> None:
    values = [0.5, 0.2, 0.9]
    trials = [_trial(n, {"score": v, "accuracy": v, "loss": v}) for n, v in enumerate(values)]
    study = _study(*trials, objectives=["min score"])
    assert study.objectives == (Objective("score", "min"),)
    assert _numbers(study) == [1, 0, 2]
    assert _numbers(study, metric="score") == [1, 0, 2], "by name, as recorded"
    assert _numbers(study, metric="accuracy") == [2, 0, 1]
    assert _numbers(study, metric="loss") == [1, 0, 2], "losses are minimised unasked"
    assert _numbers(study, metric="max loss") == [2, 0, 1]
    assert [trial.number for trial in study.top(3, Objective("score"))] == [2, 0, 1]
    assert [trial.number for trial in study.front(["score"])] == [1]


def test_a_nan_is_never_best() -> None:
    nan = _trial(0, {"accuracy": math.nan, "params": 1.0})
    study = _study(nan, _trial(1, {"accuracy": 0.1, "params": 5.0}))
    assert _numbers(study) == [1]
    assert [trial.number for trial in study.front(["accuracy", "min params"])] == [1]


def test_a_metric_that_is_missing_is_named_with_the_nearest() -> None:
    study = _study(_trial(0, {"accuracy": 0.5, "params": 9.0}))
    with pytest.raises(ConfigError, match="'acuracy': did you mean 'accuracy'"):
        study.best("acuracy")
    with pytest.raises(ConfigError, match="'parms': did you mean 'params'"):
        study.front(["accuracy", "min parms"])
    with pytest.raises(ConfigError, match="No trial of stage 'retrain' is scored yet"):
        study.best(stage="retrain")


def test_with_failures_only_there_is_no_best() -> None:
    study = _study(_trial(0, state=State.FAILED), _trial(1, state=State.FAILED))
    assert study.front() == []
    with pytest.raises(ConfigError, match="No trial is scored yet, of 2 recorded"):
        study.top(3)


_VALUES = st.one_of(st.integers(0, 4).map(float), st.just(math.nan), st.just(math.inf))


@given(st.lists(st.tuples(_VALUES, _VALUES, _VALUES), max_size=25))
def test_the_front_is_what_comparing_all_pairs_gives(rows: list[tuple[float, ...]]) -> None:
    objectives = (Objective("a"), Objective("b", "min"), Objective("c"))
    trials = [_trial(n, {"a": a, "b": b, "c": c}) for n, (a, b, c) in enumerate(rows)]
    study = _study(*trials, objectives=["max a", "min b", "max c"])
    usable = [t for t in study.trials() if not any(map(math.isnan, t.metrics.values()))]
    expected = {
        trial.number
        for trial in usable
        if not any(dominates(other.metrics, trial.metrics, objectives) for other in usable)
    }
    if rows and not usable:
        with pytest.raises(ConfigError):
            study.front()
        return
    front = study.front()
    assert {trial.number for trial in front} == expected
    firsts = [trial.metrics["a"] for trial in front]
    assert firsts == sorted(firsts, reverse=True)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30))
def test_top_agrees_with_a_plain_sort(rows: list[tuple[int, int]]) -> None:
    trials = [_trial(n, {"loss": v / 10}, width=w) for n, (w, v) in enumerate(rows)]
    study = _study(*trials, objectives=["min loss"])
    best: dict[int, tuple[float, int]] = {}
    for number, (width, value) in enumerate(rows):
        best[width] = min(best.get(width, (math.inf, 0)), (value / 10, number))
    assert _numbers(study, 99) == [number for _, number in sorted(best.values())]
