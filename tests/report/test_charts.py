"""The charts hold the study's numbers, not more and not less."""

from __future__ import annotations

import json
import math

import pytest

from archloom import Architecture, State, Study
from archloom.errors import ConfigError
from archloom.journal import Finished, Noted, Reported, Started
from archloom.report import (
    best_so_far,
    confusion,
    cost_vs_score,
    costs,
    learning_curves,
    predicted_against_true,
)
from archloom.report._figure import MAX_DOTS, as_json, thinned

from .conftest import search, whole_study


def _study(rows: list[tuple[float, float]], objective: str = "max accuracy") -> Study:
    study = Study.of([Noted("experiment", {"objectives": [objective]})])
    for place, (score, params) in enumerate(rows):
        study.apply(Started(place, "search", Architecture({"n": place}), 0))
        metrics = {"accuracy": score, "loss": score, "params": params}
        study.apply(Finished(place, State.DONE, metrics, seconds=2.0))
    return study


def test_the_line_of_best_so_far_is_a_running_best() -> None:
    study = _study([(0.3, 1), (0.2, 1), (0.6, 1), (math.nan, 1), (0.5, 1)])
    dots, line = best_so_far(study).data
    assert list(zip(dots.x, dots.y, strict=True)) == [(0, 0.3), (1, 0.2), (2, 0.6), (4, 0.5)]
    assert list(zip(line.x, line.y, strict=True)) == [(0, 0.3), (2, 0.6), (4, 0.6)]
    assert line.line.shape == "hv"
    _, down = best_so_far(_study([(0.3, 1), (0.2, 1), (0.6, 1)], "min loss")).data
    assert list(down.y) == [0.3, 0.2, 0.2]


def test_over_time_the_x_axis_is_the_summed_time_of_all_trials() -> None:
    dots, _ = best_so_far(_study([(0.3, 1), (0.2, 1), (0.6, 1)]), over="time").data
    assert list(dots.x) == [2.0, 4.0, 6.0]
    long = best_so_far(_study([(0.3, 1)] * 100), over="time")
    assert long.layout.xaxis.title.text == "Time in trials (min)"
    assert long.data[0].x[-1] == pytest.approx(200 / 60)
    with pytest.raises(ConfigError, match="'days'"):
        best_so_far(Study(), over="days")  # type: ignore[arg-type]


def test_stages_have_lines_and_colours_of_their_own() -> None:
    figure = best_so_far(whole_study())
    names = [trace.name for trace in figure.data]
    assert names == [
        "search: each trial",
        "search: best so far",
        "retrain: each trial",
        "retrain: best so far",
    ]
    assert figure.data[1].line.color != figure.data[3].line.color
    assert list(figure.data[2].x) == [30, 31]


def test_learning_curves_are_what_was_reported_best_in_bold() -> None:
    study = Study()
    for number, score in enumerate((0.2, 0.9, 0.5)):
        study.apply(Started(number, "search", Architecture({}), 0))
        for step in (1, 2, 3):
            study.apply(Reported(number, step, {"accuracy": score * step / 3}))
        study.apply(Finished(number, State.DONE, {"accuracy": score}))
    figure = learning_curves(study)
    bold = [trace for trace in figure.data if trace.line.width == 3]
    assert [trace.name for trace in bold] == ["search: best, trial 1"]
    assert figure.data[-1] is bold[0], "drawn last, on top"
    assert list(bold[0].x) == [1, 2, 3]
    assert list(bold[0].y) == pytest.approx([0.3, 0.6, 0.9])
    assert len(learning_curves(study, limit=2).data) == 2
    assert len(learning_curves(study, "loss").data) == 0


def test_without_the_objective_the_most_reported_metric_is_drawn() -> None:
    study = Study.of([Noted("experiment", {"objectives": ["auc"]})])
    for number in range(3):
        study.apply(Started(number, "search", Architecture({}), 0))
        study.apply(Reported(number, 1, {"loss": 1.0} if number else {"odd": 1.0}))
    figure = learning_curves(study)
    assert figure.layout.yaxis.title.text == "loss"
    assert {trace.name for trace in figure.data} == {"search: others"}, "none is the best yet"


def test_the_front_of_cost_and_score() -> None:
    study = _study([(0.5, 10), (0.4, 20), (0.9, 30), (0.8, 30), (0.95, 300), (math.nan, 1)])
    figure = cost_vs_score(study, "params")
    front = figure.data[-1]
    assert list(zip(front.x, front.y, strict=True)) == [(10, 0.5), (30, 0.9), (300, 0.95)]
    assert len(figure.data[0].x) == 5, "the NaN has no place"
    assert figure.layout.xaxis.type == "linear" or figure.layout.xaxis.type is None
    wide = cost_vs_score(_study([(0.5, 10), (0.6, 1000)]), "params")
    assert wide.layout.xaxis.type == "log"


def test_costs_are_found_and_missing_ones_named() -> None:
    study = whole_study()
    assert costs(study) == ["params"]
    assert cost_vs_score(study).layout.xaxis.title.text == "params"
    with pytest.raises(ConfigError, match="'parms': did you mean 'params'"):
        cost_vs_score(study, "parms")
    with pytest.raises(ConfigError, match="No scored trial"):
        cost_vs_score(Study())
    second = _study([(0.5, 10)])
    second.apply(Noted("experiment", {"objectives": ["accuracy", "max loss"]}))
    assert costs(second) == ["loss", "params"], "a further objective comes first"


def test_a_confusion_matrix_shows_shares_of_rows() -> None:
    heat = confusion([[1, 3], [0, 0]], ["a", "<b>"]).data[0]
    assert [list(row) for row in heat.z] == [[0.25, 0.75], [0, 0]]
    assert [list(row) for row in heat.text] == [[1, 3], ["", ""]]
    assert heat.customdata[0][1] == "a taken for &lt;b&gt;: 3"
    many = [[1] * 30 for _ in range(30)]
    assert confusion(many, [f"class {n}" for n in range(30)]).data[0].texttemplate is None


def test_very_many_dots_are_thinned_evenly() -> None:
    trials = whole_study().trials()
    assert thinned(trials, 100) == trials
    assert [trial.number for trial in thinned(trials, 8)] == [0, 4, 8, 12, 16, 20, 24, 28]
    figure = best_so_far(Study.of(search(MAX_DOTS * 2)))
    assert len(figure.data[0].x) <= MAX_DOTS


def test_json_of_a_figure_cannot_end_a_script() -> None:
    study = Study.of([Started(0, "</script><b>", Architecture({"</script>": "<!--"}), 0)])
    study.apply(Finished(0, State.DONE, {"accuracy": 0.5}))
    text = as_json(best_so_far(study))
    assert "<" not in text
    assert "&" not in text
    assert json.loads(text)["data"][0]["y"] == [0.5]
    assert "<b>Trial 0</b>" in json.loads(text)["data"][0]["text"][0]
    assert "&lt;/script&gt;" in json.loads(text)["data"][0]["text"][0]


def test_predicted_numbers_lie_on_the_line_where_they_are_right() -> None:
    figure = predicted_against_true([1.0, 2.5, 4.0], [1.0, 2.0, 5.0], "<b>")
    dots, line = figure.data
    assert (list(dots.x), list(dots.y)) == ([1.0, 2.0, 5.0], [1.0, 2.5, 4.0])
    assert list(line.x) == list(line.y) == [1.0, 5.0]
    assert figure.layout.xaxis.title.text == "True &lt;b&gt;"
    assert len(predicted_against_true([], []).data) == 1


@pytest.mark.parametrize(("trials", "step"), [(2, 1), (8, 1), (40, None)])
def test_what_is_counted_has_no_half_steps(trials: int, step: int | None) -> None:
    study = _study([(0.3, 1)] * trials)
    for epoch in range(1, trials + 1):
        study.apply(Reported(0, epoch, {"accuracy": 0.1}))
    for figure in (best_so_far(study), learning_curves(study)):
        assert figure.layout.xaxis.dtick == step
    assert best_so_far(study, over="time").layout.xaxis.dtick is None
