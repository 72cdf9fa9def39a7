"""The page: complete, well-formed, safe and self-contained, whatever the study holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archloom import Architecture, State, Study
from archloom.errors import RunError
from archloom.journal import JOURNAL_FILE, Finished, Noted, Started
from archloom.report import DEFAULT_SECTIONS, Context, write_report

from .conftest import finals, search, whole_study

_VOID = {"meta", "path", "rect", "br"}
_NASTY = "</script><script>alert('&\"')</script>"


class _Page(HTMLParser):
    """Checks that tags close in order; keeps texts, attributes and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)

    def charts(self) -> list[dict[str, Any]]:
        return [json.loads(s) for s in self.scripts if s.startswith('{"data"')]

    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.found if "id" in attrs]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def _page(study: Study, tmp_path: Path, **arguments: Any) -> _Page:
    path = write_report(study, tmp_path / "report.html", **arguments)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"], "no drafts are left"
    page = _Page(path.read_text(encoding="utf-8"))
    assert len(set(page.ids())) == len(page.ids())
    for tag, attributes in page.found:
        for name in ("src", "href"):
            assert name not in attributes or str(attributes[name]).startswith("#"), tag
    return page


def test_a_whole_run_has_every_section(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    page = _page(
        whole_study(), tmp_path, model=model, example=torch.zeros(1, 1, 8, 8, device="meta")
    )
    sections = [attributes["id"] for tag, attributes in page.found if tag == "section"]
    assert sections == [
        "summary",
        "leaderboard",
        "learning",
        "progress",
        "cost",
        "architecture",
        "test",
        "failures",
        "settings",
        "next",
    ]
    assert len(page.charts()) == 5
    for fact in (
        "small_cnn on digits",
        "78 architectures",
        "1,149 train, 288 valid, 360 test",
        "params <= 100000",
        "archloom 0.1.0, torch 2.13.0",
        "0.9900",  # the winner on validation data
        "0.9500",  # and on test data
        "Conv2d 3×3, 4",
        "Diverged: the loss became NaN. Lower lr.",
        "breaks params <= 100000",
        "Every access to test data: 2",
        "archloom resume RUN",
        "seed: 11",
        "0.8750",  # auc
    ):
        assert fact in page.text, fact


def test_tables_have_captions_and_charts_have_labels(tmp_path: Path) -> None:
    page = _page(whole_study(), tmp_path)
    tags = [tag for tag, _ in page.found]
    assert tags.count("table") == tags.count("caption") > 3
    plots = [a for _, a in page.found if a.get("class") == "plot"]
    assert plots
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    assert all(a.get("scope") for tag, a in page.found if tag == "th")


def test_the_leaderboard_sorts_by_numbers(tmp_path: Path) -> None:
    page = _page(whole_study(), tmp_path)
    assert [a.get("class") for tag, a in page.found if tag == "table"].count("sortable") == 1
    orders = [a["data-order"] for _, a in page.found if "data-order" in a]
    assert "0.99" in orders
    assert "nan" in orders
    for order in orders:
        float(str(order))


def test_test_columns_are_for_finalists_only(tmp_path: Path) -> None:
    page = _page(whole_study(), tmp_path)
    assert "test accuracy" in page.text
    assert "Test columns have a number for finalists only." in page.text
    without = _page(Study.of(search(10)), tmp_path)
    assert "test accuracy" not in without.text
    assert "Test accuracy" not in without.text


@pytest.mark.parametrize(
    "study",
    [
        Study(),
        Study.of([Noted("experiment", {})]),
        Study.of([Noted("experiment", {"title": "t", "task": {}, "space": {}, "stages": []})]),
        Study.of([Started(0, "search", Architecture({}), 0)]),
        Study.of(
            [Started(0, "search", Architecture({}), 0), Finished(0, State.FAILED, error="why")]
        ),
        Study.of([Started(0, "search", Architecture({}), 0), Finished(0, State.FAILED)]),
        Study.of(
            [
                Started(0, "search", Architecture({}), 0),
                Finished(0, State.DONE, {"accuracy": float("nan"), "params": float("inf")}),
            ]
        ),
        Study.of([Started(0, "s", Architecture({}), 0), Finished(0, State.DONE, {"other": 1.0})]),
        Study.of([Noted("test", {}), Noted("test-access", {}), Noted("stage-end", {})]),
        Study.of([Noted("test", {"trial": 5, "metrics": {}, "confusion": [[1, 0], [0, 1]]})]),
        Study.of(finals(0)),
    ],
)
def test_a_page_comes_out_of_any_study(study: Study, tmp_path: Path) -> None:
    page = _page(study, tmp_path)
    assert "Summary" in page.text
    assert "Go on" in page.text


def test_failures_only_say_so(tmp_path: Path) -> None:
    events = [
        Started(0, "search", Architecture({}), 0),
        Finished(0, State.FAILED, error="Traceback (most recent call last):\n  x\nValueError: why"),
    ]
    page = _page(Study.of(events), tmp_path)
    assert "No trial is scored yet." in page.text
    assert "Trial 0 (search): ValueError: why" in page.text


def test_markup_in_names_stays_text(tmp_path: Path) -> None:
    header = {
        "title": _NASTY,
        "task": {"name": _NASTY, "classes": _NASTY},
        "space": {"name": _NASTY},
        "stages": [{"name": _NASTY}],
        "constraints": [_NASTY],
        "versions": {_NASTY: _NASTY},
        "objectives": [f"max {_NASTY.replace(' ', '')}"],
        "config": {_NASTY: _NASTY},
    }
    metrics = {_NASTY.replace(" ", ""): 0.5, _NASTY: 1.0, "params": 3.0}
    architecture = Architecture({_NASTY: _NASTY})
    study = Study.of(
        [
            Noted("experiment", header),
            Started(0, _NASTY, architecture, 0),
            Finished(0, State.DONE, metrics),
            Started(1, _NASTY, architecture, 0),
            Finished(1, State.FAILED, error=_NASTY),
            Noted(
                "test", {"trial": 0, "metrics": metrics, "confusion": [[1]], "classes": [_NASTY]}
            ),
            Noted("test-access", {"trial": _NASTY, "architecture": {_NASTY: _NASTY}}),
            Noted("stage-end", {"stage": _NASTY, "reason": _NASTY}),
        ]
    )
    plain = _page(whole_study(), tmp_path)
    page = _page(study, tmp_path, folder=_NASTY, title=_NASTY)
    assert "<script>alert" not in (tmp_path / "report.html").read_text()
    assert _NASTY in page.text
    assert len(page.scripts) - len(page.charts()) == len(plain.scripts) - len(plain.charts())


def test_it_needs_no_network(tmp_path: Path) -> None:
    """Without plotly's own code, no address is left but the names of XML languages."""
    from plotly.offline import get_plotlyjs

    text = write_report(whole_study(), tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count(get_plotlyjs()) == 1
    rest = text.replace(get_plotlyjs(), "")
    assert set(re.findall(r"(?:https?:)?//[\w.]+", rest)) <= {"http://www.w3.org"}
    assert "@import" not in rest
    assert "url(" not in rest.replace("url(#", "")


def test_without_charts_the_page_is_small(tmp_path: Path) -> None:
    assert write_report(Study(), tmp_path).stat().st_size < 30_000


def test_ten_thousand_trials_are_cut_with_a_word(tmp_path: Path) -> None:
    page = _page(Study.of(search(10_000)), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 12_000_000
    assert "Drawn: the best 100 of each stage" in page.text
    assert "The best 200 of 7,6" in page.text
    assert "The last 50 of 1,428 failed trials." in page.text
    assert len(page.charts()[0]["data"]) == 100


def test_a_folder_gets_a_report_html_and_its_name_in_the_commands(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / JOURNAL_FILE).touch()
    path = write_report(Study(), folder)
    assert path == folder / "report.html"
    assert f"archloom resume &#x27;{folder}&#x27;" in path.read_text()
    elsewhere = write_report(Study(), tmp_path / "new" / "page.html", folder="runs/a")
    assert "archloom resume runs/a " in elsewhere.read_text()


def test_the_old_page_stays_when_the_new_one_cannot_be_made(tmp_path: Path) -> None:
    path = write_report(Study(), tmp_path / "r.html", title="first")

    def broken(context: Context) -> str:
        raise KeyError("a section of somebody")

    with pytest.raises(KeyError):
        write_report(Study(), path, title="second", sections=[broken])
    assert "first" in path.read_text()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        write_report(Study(), tmp_path / "file" / "r.html")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "r.html"]


def test_sections_can_be_added(tmp_path: Path) -> None:
    def mine(context: Context) -> str:
        return f"<section><h2>Mine</h2>{len(context.rows)} rows, {context.folder}</section>"

    page = _page(whole_study(), tmp_path, folder="runs/x", sections=[*DEFAULT_SECTIONS, mine])
    assert "Mine" in page.text
    assert page.text.count("rows, runs/x") == 1
    only = _page(whole_study(), tmp_path, sections=[mine])
    assert "Leaderboard" not in only.text


def test_a_model_that_cannot_run_is_listed(tmp_path: Path) -> None:
    page = _page(whole_study(), tmp_path, model=nn.Linear(3, 2), example=torch.zeros(1, 9))
    assert "The model was not run here" in page.text
    assert "Linear 2" in page.text
    _page(whole_study(), tmp_path, model=nn.Sequential())


def test_results_of_every_kind_of_target(tmp_path: Path) -> None:
    parts = {
        "kind": {"confusion": [[3, 1], [0, 2]], "classes": ["cat", _NASTY]},
        "price": {"columns": ["euro"], "pairs": [[[1.0, 2.0], [1.5, 2.0]]]},
        "signs": {"labels": ["edema", _NASTY], "counts": [[2, 1, 0, 3], [0, 0, 0, 6]]},
    }
    details = {"signs.auc[edema]": 0.75, "signs.average_precision[edema]": 0.5, "mae[x]": 2.0}
    result = {"trial": 0, "size": 6, "metrics": {"loss": 1.5}, "parts": parts, "details": details}
    target = {"kind": "mixed", "parts": {name: {} for name in parts}}
    header = {"task": {"shape": {"a": [3], "b": [1, 8, 8]}, "target": target, "classes": 5}}
    page = _page(Study.of([Noted("experiment", header), Noted("test", result)]), tmp_path)
    for said in (
        "kind: Confusion matrix of trial 0 on test data",
        "price: Predicted and true euro of trial 0 on test data",
        "signs: Each label of trial 0 on test data",
        "signs.edema",
        "3 targets",
        "a: 3, b: 1 × 8 × 8",
    ):
        assert said in page.text, said
    assert "interval of accuracy" not in page.text
    assert "<script>alert" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("target", "classes", "said"),
    [
        ({"kind": "labels"}, 14, "14 labels"),
        ({"kind": "numbers"}, 1, "1 number"),
        ({"kind": "classes"}, 2, "2 classes"),
        (None, 10, "10 classes"),
    ],
)
def test_the_summary_says_what_is_predicted(
    target: dict[str, str] | None, classes: int, said: str, tmp_path: Path
) -> None:
    header = {"task": {"target": target, "classes": classes}}
    assert said in _page(Study.of([Noted("experiment", header)]), tmp_path).text


def _combined(weights: list[float], distilled: float | None = None) -> Study:
    """A search of two, an ensemble of as many as there are weights, and perhaps its pupil."""
    events: list[Any] = [Noted("experiment", {"objectives": ["max accuracy"]})]
    architectures = [Architecture({"op": "conv"}), Architecture({"op": "wide", "width": 32})]
    for number, (one, score) in enumerate(zip(architectures, (0.8, 0.75), strict=True)):
        events += [Started(number, "search", one, 0)]
        events += [Finished(number, State.DONE, {"accuracy": score, "folds": 5.0})]
    note = {
        "stage": "ensemble",
        "number": 0,
        "used": True,
        "reason": "it is better",
        "samples": 90,
        "chosen_on": "out-of-fold predictions",
        "members": [0, 1][: len(weights)],
        "weights": weights,
        "scores": {},
        "remarks": {},
        "views": ["plain"],
        "threshold": None,
    }
    events += [
        Noted("ensemble", note),
        Started(2, "ensemble", architectures[0], 0, parent=0),
        Finished(2, State.DONE, {"accuracy": 0.9}),
        Noted("best", {"trial": 2, "folder": "best"}),
    ]
    if distilled is not None:
        events += [Started(3, "distill", architectures[0], 0, parent=2)]
        events += [Finished(3, State.DONE, {"accuracy": distilled})]
        events += [Noted("best", {"trial": 3, "folder": "best"})]
    return Study.of(events)


def test_what_is_drawn_of_an_ensemble_is_said_to_be_one_member(tmp_path: Path) -> None:
    text = write_report(
        _combined([0.7, 0.3]), tmp_path, model=nn.Linear(3, 2), example=torch.zeros(1, 3)
    ).read_text()
    page = " ".join(_Page(text).texts)
    assert "The winner, trial 2, is an ensemble of 2." in page
    assert "Drawn is one member of it, trial 0, whose weight is 0.7" in page
    assert "the others and their weights are trial 1 (0.3)." in page
    assert "5 networks of the same architecture" in page
    assert "The architecture of trial 0" in text
    assert "The architecture of trial 2" not in text
    row = r"<tr><th[^>]*>width</th><td>–</td><td>32</td></tr>"
    assert re.search(row, text)
    assert "&quot;weight&quot;: 0.3" in text


def test_a_single_model_with_additions_is_drawn_as_the_trial_it_is(tmp_path: Path) -> None:
    text = write_report(_combined([1.0]), tmp_path).read_text()
    assert "predicts with the model of trial 0" in text
    assert "is an ensemble of" not in text


def test_the_report_says_what_a_distilled_network_costs(tmp_path: Path) -> None:
    text = write_report(_combined([0.7, 0.3], distilled=0.85), tmp_path).read_text()
    assert "accuracy 0.8500 on validation data, where the ensemble has 0.9000" in text
    assert "The architecture of trial 3" in text
    assert "Drawn is one member" not in text
