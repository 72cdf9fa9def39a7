"""Charts of a supernet's training: probabilities, scores, how undecided it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from archloom.report._figure import FRONT, blank_figure, shortened, stage_colour
from archloom.study import Study

MAX_LABELS = 24
_COLUMNS = 4
_ROW = 118  # pixels
_MANY_NAMES = 14  # in a legend
_IDLE = {
    **dict.fromkeys(("skip", "skip_connect", "skip_connection", "identity", "shortcut"), FRONT),
    **dict.fromkeys(("none", "zero"), "#8b95a3"),
}
_COLOURS = ("#2B8CD0", "#0AA07A", "#CC79A7", "#E69F00", "#56B4E9", "#8F6BD9", "#A6761D", "#B5BD00")
_DASHES = ("solid", "dash", "dot")


def one_shot_stages(study: Study) -> list[str]:
    """Give the stages that trained a supernet, in order.

    >>> one_shot_stages(Study())
    []
    """
    return list(dict.fromkeys(noted.data["stage"] for noted in study.notes("one-shot")))


def notes_of(study: Study, kind: str, stage: str) -> list[Mapping[str, Any]]:
    """Give what was noted of a stage, oldest first."""
    return [noted.data for noted in study.notes(kind) if noted.data["stage"] == stage]


def probabilities(study: Study, stage: str | None = None) -> go.Figure:
    """Draw how likely each option of each choice was after each epoch, a small chart a choice.

    Of more than 24 choices the first 24 are drawn. Skip connections are vermilion, "none" grey.

    >>> len(probabilities(Study()).data)
    0
    """
    epochs = _epochs(study, stage)
    begin = next(iter(notes_of(study, "one-shot-begin", _stage(study, stage))), {})
    labels = list(epochs[-1]["alphas"])[:MAX_LABELS] if epochs else []
    if not labels:
        return blank_figure("Epoch", "probability")
    rows = math.ceil(len(labels) / _COLUMNS)
    titles = [shortened(label, 30) for label in labels]
    figure = make_subplots(
        rows,
        min(_COLUMNS, len(labels)),
        subplot_titles=titles,
        shared_xaxes=True,
        vertical_spacing=min(0.4 / rows, 0.1),
        horizontal_spacing=0.045,
    )
    _style(figure, height=_ROW * rows + 90)
    names = {label: _names(begin, label, epochs[-1]) for label in labels}
    looks = _looks([name for label in labels for name in names[label]])
    shown: set[str] = set()
    for place, label in enumerate(labels):
        where = {"row": place // _COLUMNS + 1, "col": place % _COLUMNS + 1}
        for option, name in enumerate(names[label]):
            trace = _line(epochs, label, option, name, looks[name])
            trace.showlegend = name not in shown and len(looks) <= _MANY_NAMES
            shown.add(name)
            figure.add_trace(trace, **where)
    drawn = [p for epoch in epochs for label in labels for p in epoch["alphas"].get(label, [])]
    figure.update_yaxes(range=_range(drawn))
    figure.update_xaxes(dtick=_step(epochs, 4))
    return figure


def scores_over_epochs(study: Study, stage: str | None = None) -> go.Figure:
    """Draw the supernet's score, what its derived architectures inherit, and short trainings.

    >>> len(scores_over_epochs(Study()).data)
    0
    """
    name, metric = _stage(study, stage), study.objectives[0].metric
    epochs, checks = _epochs(study, stage), notes_of(study, "monitor", name)
    figure = blank_figure("Epoch of the supernet", metric)
    figure.update_layout(height=320)
    figure.update_xaxes(dtick=_step(epochs, 12))
    scored = [(e["epoch"], e["scores"][metric]) for e in epochs if metric in e["scores"]]
    derived = [
        (trial.epochs, trial.metrics[metric])
        for trial in study.trials(name)
        if trial.state.scored and trial.epochs is not None and metric in trial.metrics
    ]
    _add(figure, "the supernet", scored, stage_colour(0), "lines+markers")
    _add(figure, "derived, with its weights", derived, stage_colour(1), "lines+markers")
    if checks and all(check["metric"] == metric for check in checks):
        alone = [(c["epoch"], c["derived"]["alone"]) for c in checks if c["derived"]]
        _add(figure, "derived, trained alone", alone, FRONT, "markers", "diamond")
        _add(figure, "random ones, trained alone", _panel(checks, "alone"), "#7b8190", "markers")
        inherited = _panel(checks, "inherited")
        _add(figure, "random ones, with its weights", inherited, "#E69F00", "markers", "square")
    return figure


def decidedness(study: Study, stage: str | None = None) -> go.Figure:
    """Draw entropy and the share of idle operations over the epochs, both from 0 to 1.

    >>> len(decidedness(Study()).data)
    0
    """
    epochs = _epochs(study, stage)
    figure = blank_figure("Epoch of the supernet", "share")
    figure.update_yaxes(range=[-0.03, 1.03])
    figure.update_layout(height=260)
    figure.update_xaxes(dtick=_step(epochs, 12))
    undecided = [(e["epoch"], e["entropy"]) for e in epochs]
    idle = [(e["epoch"], e["skips"]) for e in epochs]
    _add(figure, "entropy (1: undecided)", undecided, stage_colour(0), "lines+markers")
    _add(figure, "skips and none in what is derived", idle, FRONT, "lines+markers")
    return figure


def inherited_vs_alone(check: Mapping[str, Any]) -> go.Figure:
    """Draw what each architecture of a monitor's check inherits against its short training."""
    metric = check["metric"]
    figure = blank_figure(f"{metric} with the supernet's weights", f"{metric} trained alone")
    figure.update_layout(height=320)
    panel = [one for one in check["panel"] if None not in (one["inherited"], one["alone"])]
    derived = [one for one in [check["derived"]] if one and None not in _pair(one)]
    for name, seen, colour, symbol in (
        ("random", panel, stage_colour(0), "circle"),
        ("derived", derived, FRONT, "diamond"),
    ):
        if seen:
            figure.add_scatter(
                x=[one["inherited"] for one in seen],
                y=[one["alone"] for one in seen],
                mode="markers",
                marker={"size": 9, "color": colour, "symbol": symbol},
                name=name,
                text=[f"trial {one['trial']}" for one in seen],
                hovertemplate="%{text}: %{x:.4f}, alone %{y:.4f}<extra></extra>",
            )
    return figure


def figures_of_guards(study: Study, stage: str | None = None) -> list[tuple[str, go.Figure]]:
    """Draw each number that the guards measured, over the epochs.

    >>> figures_of_guards(Study())
    []
    """
    epochs = _epochs(study, stage)
    names = dict.fromkeys(name for e in epochs for name in e.get("figures", {}))
    names.pop("skips", None)  # which `decidedness` draws as a share
    drawn = []
    for name in names:
        figure = blank_figure("Epoch of the supernet", name)
        figure.update_layout(height=240)
        figure.update_xaxes(dtick=_step(epochs, 12))
        points = [(e["epoch"], e["figures"].get(name)) for e in epochs]
        _add(figure, name, points, stage_colour(0), "lines+markers")
        drawn.append((name, figure))
    return drawn


def _stage(study: Study, stage: str | None) -> str:
    return stage or next(iter(one_shot_stages(study)), "")


def _epochs(study: Study, stage: str | None) -> list[Mapping[str, Any]]:
    return notes_of(study, "one-shot", _stage(study, stage))


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Give the ends of an axis, the same for all charts; what hardly moved stays flat."""
    low, high = min(values), max(values)
    more = max(0.05 * (high - low), 0.02 - (high - low) / 2, 0.0)
    return low - more, high + more


def _step(epochs: Sequence[Mapping[str, Any]], ticks: int) -> int:
    """Give the epochs between two ticks: whole ones."""
    return max(1, math.ceil(len(epochs) / ticks))


def _names(begin: Mapping[str, Any], label: str, epoch: Mapping[str, Any]) -> list[str]:
    """Give the options' names, their places where none were recorded."""
    known = begin.get("options", {}).get(label, [])
    count = len(epoch["alphas"][label])
    return list(known) if len(known) == count else [str(place) for place in range(count)]


def _looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give each option name a colour and a dash of its own."""
    looks: dict[str, dict[str, Any]] = {}
    plain = 0
    for name in dict.fromkeys(names):
        if name in _IDLE:
            looks[name] = {"color": _IDLE[name], "width": 2.6}
            continue
        dash = _DASHES[plain // len(_COLOURS) % len(_DASHES)]
        looks[name] = {"color": _COLOURS[plain % len(_COLOURS)], "width": 1.5, "dash": dash}
        plain += 1
    return looks


def _line(
    epochs: Sequence[Mapping[str, Any]],
    label: str,
    option: int,
    name: str,
    look: Mapping[str, Any],
) -> go.Scatter:
    points = [(e["epoch"], e["alphas"][label][option]) for e in epochs if label in e["alphas"]]
    return go.Scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="lines+markers" if len(points) < 3 else "lines",
        line=dict(look),
        marker={"size": 5},
        name=shortened(name),
        legendgroup=name,
        hovertemplate=f"{escape(name)}: %{{y:.3f}} after epoch %{{x}}<extra></extra>",
    )


def _style(figure: go.Figure, height: int) -> None:
    plain = blank_figure("", "").layout
    shared = {"gridcolor": plain.xaxis.gridcolor, "zeroline": False, "automargin": True}
    figure.update_xaxes(linecolor=plain.xaxis.linecolor, **shared)
    figure.update_yaxes(linecolor=plain.xaxis.linecolor, nticks=4, **shared)
    figure.update_annotations(font={"size": 11})
    figure.update_layout(
        template=None,
        height=height,
        margin={"l": 40, "r": 8, "t": 66, "b": 28},
        paper_bgcolor=plain.paper_bgcolor,
        plot_bgcolor=plain.plot_bgcolor,
        font={"color": plain.font.color, "size": 11},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0},
        hoverlabel=plain.hoverlabel,
    )


def _add(
    figure: go.Figure,
    name: str,
    points: Sequence[tuple[int | None, float | None]],
    colour: str,
    mode: str,
    symbol: str = "circle",
) -> None:
    known = [(x, y) for x, y in points if y is not None]
    if known:
        figure.add_scatter(
            x=[x for x, _ in known],
            y=[y for _, y in known],
            mode=mode,
            line={"width": 2.2, "color": colour},
            marker={"size": 6 if "lines" in mode else 10, "color": colour, "symbol": symbol},
            name=name,
            hovertemplate=f"{escape(name)}: %{{y:.4f}} after epoch %{{x}}<extra></extra>",
        )


def _panel(
    checks: Sequence[Mapping[str, Any]], score: str
) -> list[tuple[int | None, float | None]]:
    """Give the mean score of the random architectures at each check."""
    points: list[tuple[int | None, float | None]] = []
    for check in checks:
        known = [one[score] for one in check["panel"] if one[score] is not None]
        points.append((check["epoch"], sum(known) / len(known) if known else None))
    return points


def _pair(one: Mapping[str, Any]) -> tuple[Any, Any]:
    return one["inherited"], one["alone"]
