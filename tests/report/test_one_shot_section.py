"""What the report and `archloom show` say about supernets: charts, checks, troubles in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from archloom import Architecture, State, Study
from archloom.cli._main import app
from archloom.journal import Event, Finished, Noted, SqliteJournal, Started
from archloom.oneshot import Verdict
from archloom.report import (
    Context,
    probabilities,
    scores_over_epochs,
    supernet_troubles,
    write_report,
)
from archloom.report._one_shot import one_shot
from archloom.report._supernet_charts import (
    MAX_LABELS,
    decidedness,
    figures_of_guards,
    inherited_vs_alone,
)

from .conftest import HEADER, whole_study

LABELS = {"cell.a": ["conv", "skip_connect", "none"], "cell.b": ["conv", "skip_connect", "none"]}
SKIPS = {"cell.a": "skip_connect", "cell.b": "skip_connect"}
_NASTY = "</script><script>alert('&\"')</script>"


def _epoch(epoch: int, labels: dict[str, list[str]], **more: Any) -> Noted:
    skip = epoch / 10
    data = {
        "stage": "supernet",
        "epoch": epoch,
        "epochs": 4,
        "train_loss": 1.0,
        "arch_loss": 1.1,
        "scores": {"accuracy": 0.5 + epoch / 10},
        "derived": SKIPS,
        "skips": 1.0,
        "entropy": 1 - epoch / 10,
        "alphas": {label: [0.6 - skip, 0.3 + skip, 0.1] for label in labels},
        "figures": {"eigenvalue": float(epoch), "skips": 2.0},
        "verdicts": [],
        "lr": 0.1,
        "seconds": 1.0,
    }
    return Noted("one-shot", {**data, **more})


def _seen(inherited: float | None, alone: float | None, trial: int) -> dict[str, Any]:
    costs = {"likely": -1.0, "params": 10.0, "flops": 20.0}
    return {"architecture": SKIPS, "inherited": inherited, "alone": alone, "trial": trial, **costs}


def _check(epoch: int, verdicts: list[Verdict], **more: Any) -> Noted:
    panel = [_seen(0.1, 0.5, 7), _seen(0.2, 0.7, 8), _seen(None, None, 9)]
    ranking = {"spearman": -0.25, "kendall": -0.2, "p": 0.7, "number": 8}
    data = {
        "stage": "supernet",
        "metric": "accuracy",
        "short": 3,
        "epoch": epoch,
        "supernet": 0.9,
        "derived": _seen(0.3, 0.4, 6),
        "panel": panel,
        "rankings": {"inherited": ranking, "params": {**ranking, "spearman": 0.75}},
        "idle": {"cell": 1.0},
        "share": 1.0,
        "usual": 0.5,
        "verdicts": [verdict.to_json() for verdict in verdicts],
        "remarks": ["The supernet has accuracy 0.9: a gap of 0.6."],
    }
    return Noted("monitor", {**data, **more})


COLLAPSED = Verdict("warn", "The derived architecture has collapsed: all skips.", kind="skips")


def _study(
    *more: Event, labels: dict[str, list[str]] | None = None, verdicts: tuple[Verdict, ...] = ()
) -> Study:
    labels = labels or LABELS
    described = {"name": "supernet", "kind": "OneShot", "gates": {"name": "darts", "order": 1}}
    begin = {"stage": "supernet", "pinned": {"width": 16}, "options": labels, "epochs": 4}
    events: list[Event] = [
        Noted("experiment", {**HEADER, "stages": [described]}),
        Noted("one-shot-begin", begin),
    ]
    for epoch in (1, 2, 3, 4):
        events.append(_epoch(epoch, labels))
        number = epoch - 1
        events.append(Started(number, "supernet", Architecture(SKIPS), 0, epochs=epoch))
        events.append(Finished(number, State.DONE, {"accuracy": 0.1 * epoch}))
    return Study.of([*events, _check(2, []), _check(4, list(verdicts)), *more])


def _text(html: str) -> str:
    return re.sub(r"<script.*?</script>|<[^>]+>", " ", html, flags=re.DOTALL)


def test_probabilities_are_drawn_for_each_choice_with_the_options_names() -> None:
    figure = probabilities(_study())
    assert [note.text for note in figure.layout.annotations] == ["cell.a", "cell.b"]
    assert len(figure.data) == 6
    names = [trace.name for trace in figure.data]
    assert names == ["conv", "skip_connect", "none"] * 2
    skip = figure.data[1]
    assert list(skip.x) == [1, 2, 3, 4]
    assert list(skip.y) == pytest.approx([0.4, 0.5, 0.6, 0.7])
    assert [bool(trace.showlegend) for trace in figure.data] == [True] * 3 + [False] * 3
    colours = {trace.name: trace.line.color for trace in figure.data}
    assert colours["skip_connect"] == "#D55E00"
    assert len(set(colours.values())) == 3
    assert {trace.xaxis for trace in figure.data} == {"x", "x2"}


def test_many_choices_are_cut_to_a_page_and_it_is_said() -> None:
    labels = {f"cell.{n}": ["conv", "skip_connect", "none"] for n in range(40)}
    study = _study(labels=labels)
    figure = probabilities(study)
    assert len(figure.layout.annotations) == MAX_LABELS
    assert figure.layout.height < 850
    assert "the first 24 of 40 choices" in one_shot(Context(study, "", ""))


def test_without_recorded_names_options_are_numbered() -> None:
    study = _study(labels={"cell.a": ["only", "two"]})
    assert [trace.name for trace in probabilities(study).data] == ["0", "1", "2"]


def test_scores_of_supernet_derived_and_short_trainings_share_a_chart() -> None:
    traces = {trace.name: trace for trace in scores_over_epochs(_study()).data}
    assert list(traces["the supernet"].y) == pytest.approx([0.6, 0.7, 0.8, 0.9])
    assert list(traces["derived, with its weights"].y) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert list(traces["derived, trained alone"].x) == [2, 4]
    assert list(traces["random ones, trained alone"].y) == pytest.approx([0.6, 0.6])
    assert list(traces["random ones, with its weights"].y) == pytest.approx([0.15, 0.15])


def test_entropy_idle_share_and_guards_figures_are_drawn() -> None:
    study = _study()
    entropy, idle = decidedness(study).data
    assert list(entropy.y) == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert list(idle.y) == [1.0] * 4
    [(name, figure)] = figures_of_guards(study)
    assert name == "eigenvalue"
    assert list(figure.data[0].y) == [1.0, 2.0, 3.0, 4.0]


def test_the_scatter_has_every_architecture_with_both_scores() -> None:
    note = _study().note("monitor")
    assert note is not None
    random, derived = inherited_vs_alone(note).data
    assert (list(random.x), list(random.y)) == ([0.1, 0.2], [0.5, 0.7])
    assert (list(derived.x), list(derived.y)) == ([0.3], [0.4])


def test_the_section_tells_what_was_found_in_words_and_numbers() -> None:
    study = _study(verdicts=(COLLAPSED,))
    text = _text(one_shot(Context(study, "", "")))
    assert "epoch 4: The derived architecture has collapsed: all skips." in text
    assert "The monitor found nothing wrong after epoch 2." in text
    assert "-0.25 (0.7)" in text
    assert "a gap of 0.6" in text
    assert "darts (order=1)" in text
    assert "width=16" in text
    assert "4 of 4" in text


def test_a_search_without_monitor_says_that_nothing_was_checked() -> None:
    notes = [Noted("experiment", HEADER), _epoch(1, LABELS)]
    assert "No monitor compared" in one_shot(Context(Study.of(notes), "", ""))
    study = Study.of([*notes, _check(1, [], panel=[], rankings={}, remarks=[])])
    assert "looked at skip connections only" in one_shot(Context(study, "", ""))
    assert one_shot(Context(whole_study(), "", "")) == ""


def test_troubles_are_the_newest_word_on_each_kind() -> None:
    early = Verdict("warn", "Early.", kind="skips")
    stop = Verdict("stop", "Too sharp.", kind="eigenvalue")
    told = Verdict("stop", "It is so: the search stops with epoch 2.", kind="count")
    study = _study(verdicts=(COLLAPSED, Verdict("switch", "No order.", kind="ranking")))
    study.apply(_epoch(5, LABELS, verdicts=[stop.to_json(), told.to_json()]))
    study.apply(_check(3, [early]))
    assert supernet_troubles(study) == [
        "Supernet 'supernet', epoch 4: The derived architecture has collapsed: all skips.",
        "Supernet 'supernet', epoch 4: No order. Another method took over.",
        "Supernet 'supernet', epoch 5: Too sharp. The search stopped.",
        "Supernet 'supernet', epoch 5: It is so: the search stops with epoch 2.",
    ]


def test_the_summary_of_the_page_says_it_loudly_and_texts_are_escaped(tmp_path: Path) -> None:
    nasty = Verdict("warn", f"Bad {_NASTY}", kind=_NASTY)
    labels = {_NASTY: [_NASTY, "skip_connect", "none"]}
    page = write_report(_study(labels=labels, verdicts=(nasty,)), tmp_path).read_text()
    assert _NASTY not in page
    summary = page[page.index('id="summary"') : page.index('id="leaderboard"')]
    assert 'class="error"' in summary
    assert "Bad &lt;/script&gt;" in summary


def test_archloom_show_prints_the_troubles(tmp_path: Path) -> None:
    study = _study(verdicts=(COLLAPSED,))
    notes = [n for kind in ("experiment", "one-shot", "monitor") for n in study.notes(kind)]
    with SqliteJournal(tmp_path / "run", write=True) as journal:
        journal.append(*notes)
    done = CliRunner().invoke(app, ["show", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "warning Supernet 'supernet', epoch 4: The derived architecture has" in done.output
