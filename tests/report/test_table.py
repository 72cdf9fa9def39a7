"""The rows of the leaderboard."""

from __future__ import annotations

import math

from archloom import Architecture, State, Study
from archloom.journal import Finished, Noted, Started
from archloom.report import failures, leaderboard
from archloom.report._format import architecture_text, duration, number
from archloom.report._table import winner

from .conftest import whole_study


def _study(*values: float, objectives: tuple[str, ...] = ("accuracy",)) -> Study:
    study = Study.of([Noted("experiment", {"objectives": list(objectives)})])
    for place, value in enumerate(values):
        study.apply(Started(place, "search", Architecture({"width": 16}), 0))
        metrics = {"accuracy": value, "loss": value, "params": 10.0 - place}
        study.apply(Finished(place, State.DONE, metrics, 1.0))
    return study


def test_rows_are_ranked_best_first_with_ties_to_the_older() -> None:
    rows = leaderboard(_study(0.5, 0.9, math.nan, 0.9, 0.1))
    assert [row.number for row in rows] == [1, 3, 0, 4, 2], "a NaN comes last"
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5]
    assert [row.number for row in leaderboard(_study(0.5, 0.9, 0.1, objectives=("loss",)))] == [
        2,
        0,
        1,
    ]


def test_higher_budgets_come_first_and_checks_of_a_supernet_not_at_all() -> None:
    study = Study()
    for place, (stage, budget, value) in enumerate(
        [("search", 1 / 3, 0.9), ("search", None, 0.7), ("supernet-monitor", None, 0.95)]
    ):
        study.apply(Started(place, stage, Architecture({"width": 16}), 0, budget=budget))
        study.apply(Finished(place, State.DONE, {"accuracy": value}, 1.0))
    assert [row.number for row in leaderboard(study)] == [1, 0]
    assert [row.number for row in leaderboard(study, "supernet-monitor")] == [2]
    assert [trial.number for trial in study.top(3, stage="search")] == [1]


def test_a_row_parts_objectives_from_other_metrics() -> None:
    row = leaderboard(_study(0.5, objectives=("accuracy", "min params")))[0]
    assert row.scores == {"accuracy": 0.5, "params": 10.0}
    assert row.metrics == {"loss": 0.5}


def test_rows_can_be_cut_and_chosen_by_stage() -> None:
    study = whole_study()
    assert [row.number for row in leaderboard(study, "retrain")] == [30, 31]
    assert [row.number for row in leaderboard(study, k=2)] == [30, 31]
    assert {row.stage for row in leaderboard(study, "search")} == {"search"}
    assert leaderboard(study, "missing") == leaderboard(Study()) == []


def test_only_scored_trials_are_ranked_and_only_finalists_have_a_test_score() -> None:
    study = whole_study()
    rows = leaderboard(study)
    assert {row.state for row in rows} == {State.DONE}
    assert len(rows) == study.count(None, State.DONE)
    assert {row.number for row in rows if row.test} == {30, 31}
    assert [trial.number for trial in failures(study)] == [6, 13, 20, 27]


def test_the_winner_is_the_saved_one_whatever_the_test_says() -> None:
    study = whole_study()
    assert study.notes("test")[1].data["metrics"]["accuracy"] > 0.95  # the other tests better
    best = winner(study)
    assert best is not None
    assert best.number == 30
    assert winner(Study()) is None
    assert winner(_study(math.nan)) is None
    gone = _study(0.1, 0.4)
    gone.apply(Noted("best", {"trial": 99}))
    best = winner(gone)
    assert best is not None
    assert best.number == 1


def test_numbers_are_written_for_people() -> None:
    assert [number(v) for v in (1, 0, 0.99999, 0.00001, 1e9, -5, math.inf, None)] == [
        "1.0000",
        "0.0000",
        "1.0000",
        "1.00e-05",
        "1,000,000,000",
        "-5",
        "∞",
        "–",
    ]
    assert [duration(v) for v in (0, 59.94, 59.99, 3599.9, 3600, 172_800, math.nan)] == [
        "0.0 s",
        "59.9 s",
        "1 min 0 s",
        "1 h 0 min",
        "1 h 0 min",
        "2 d 0 h",
        "–",
    ]
    values = {"a": None, "b": (0, "x"), "c": False, "d": 0.00012345}
    assert architecture_text(values) == "a=none, b=(0, x), c=no, d=0.0001234"
