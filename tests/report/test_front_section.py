"""The section of the Pareto front: what it lists, and the hypervolume that it draws."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from archloom import Architecture, State, Study
from archloom.journal import Finished, Noted, Started
from archloom.report import front_over_trials, parallel_objectives, worst_values, write_report
from archloom.report._context import Context
from archloom.report._front import MAX_ROWS, front


def _study(rows: list[tuple[float, ...]], objectives: list[str]) -> Study:
    study = Study.of([Noted("experiment", {"objectives": objectives})])
    names = [text.split()[-1] for text in objectives]
    for number, row in enumerate(rows):
        study.apply(Started(number, "search", Architecture({"width": number}), 0))
        study.apply(Finished(number, State.DONE, dict(zip(names, row, strict=True))))
    return study


TWO = ["max accuracy", "min params"]
ROWS: list[tuple[float, ...]] = [
    (0.5, 300),
    (0.6, 200),
    (0.4, 400),
    (0.9, 400),
    (math.nan, 1),
    (0.5, 350),
]


def test_the_hypervolume_grows_by_what_each_trial_adds() -> None:
    """The box is accuracy 0.4 to 0.9 by params 400 to 200; trials 2, 4 and 5 add nothing."""
    (line,) = front_over_trials(_study(ROWS, TWO)).data
    assert list(line.x) == [0, 0, 1, 5]
    assert list(line.y) == pytest.approx([0, 0.2 * 0.5, 0.4 * 1.0, 0.4])
    assert worst_values(_study(ROWS, TWO)) == {"accuracy": 0.4, "params": 400}


def test_the_last_share_is_the_studys_hypervolume() -> None:
    rng = np.random.default_rng(0)
    rows = [tuple(row) for row in rng.random((40, 3)).tolist()]
    study = _study(rows, ["max a", "min b", "max c"])
    (line,) = front_over_trials(study).data
    box = math.prod(max(column) - min(column) for column in zip(*rows, strict=True))
    assert line.y[-1] * box == pytest.approx(study.hypervolume(worst_values(study)))
    assert list(line.y) == sorted(line.y)


def test_the_section_lists_the_front() -> None:
    text = front(Context(_study(ROWS, TWO), "", ""))
    assert "2 of 5 trials" in text
    for inside in ("width=1", "width=3", "max accuracy, min params", "measured from accuracy 0.4"):
        assert inside in text
    assert "width=0" not in text
    assert text.count('class="chart"') == 1
    assert "first 200 of 250" in front(
        Context(_study([(n, n) for n in range(MAX_ROWS + 50)], TWO), "", "")
    )


def test_three_objectives_are_drawn_side_by_side_best_on_top() -> None:
    study = _study([(1, 2, 3), (2, 3, 1), (0, 9, 0)], ["max a", "min b", "max c"])
    axes = parallel_objectives(study).data[0].dimensions
    assert [axis.label for axis in axes] == ["max a", "min b", "max c"]
    assert [list(axis.values) for axis in axes] == [[2, 1], [3, 2], [1, 3]]
    assert tuple(axes[1].range) == (3, 2)
    assert front(Context(study, "", "")).count('class="chart"') == 2


def test_without_a_front_there_is_no_section(tmp_path: Path) -> None:
    assert front(Context(_study([(0.5,)], ["accuracy"]), "", "")) == ""
    assert front(Context(_study([], TWO), "", "")) == ""
    assert front(Context(_study([(math.nan, 1)], TWO), "", "")) == ""
    page = write_report(_study(ROWS, TWO), tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<section id="front"' in page


def test_equal_trials_fill_no_box() -> None:
    (line,) = front_over_trials(_study([(0.5, 1), (0.5, 1)], TWO)).data
    assert list(line.y) == [0, 0]
