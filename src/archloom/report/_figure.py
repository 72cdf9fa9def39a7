"""What all charts share: their look, the colours of stages, tooltips and thinning."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from archloom.objective import Objective
from archloom.report._format import architecture_text, number
from archloom.report._table import gain
from archloom.study import Study
from archloom.trial import Trial

MAX_DOTS = 2000
_WHOLE_STEPS = 10

# After Okabe and Ito's palette, told apart with any kind of colour vision; blue and green a little
# lighter, to be seen on dark ground too. Vermilion is for the front.
FRONT = "#D55E00"
_STAGES = ("#2B8CD0", "#0AA07A", "#CC79A7", "#E69F00", "#56B4E9")
_INK = "#7b8190"
_GRID = "rgba(123, 129, 144, 0.25)"


def stages(study: Study) -> list[str]:
    """Give the stages that have trials, in the order of their first one."""
    return list(dict.fromkeys(trial.stage for trial in study.trials()))


def thinned(trials: Sequence[Trial], limit: int = MAX_DOTS) -> list[Trial]:
    """Give every n-th trial where there are too many to draw."""
    return list(trials[:: math.ceil(len(trials) / limit)]) if len(trials) > limit else list(trials)


def has_number(trial: Trial, objective: Objective) -> bool:
    """Whether the trial's metric can be drawn."""
    return math.isfinite(trial.metrics.get(objective.metric, math.nan))


def told_in_full(study: Study, objective: Objective) -> set[int]:
    """Give the trials whose tooltip names the architecture: all, or the best of very many."""
    ranked = sorted(study.trials(), key=lambda trial: -gain(trial, objective))
    return {trial.number for trial in ranked[: MAX_DOTS // 4]}


def tip(trial: Trial, full: bool = True) -> str:
    """Give a tooltip: the trial, its metrics and, unless there are too many, its architecture."""
    head = f"<b>Trial {trial.number}</b> ({shortened(trial.stage)}, {trial.state})"
    shown = list(trial.metrics.items())[:6]
    lines = [f"{shortened(name)}: {number(value)}" for name, value in shown]
    if full:
        lines += [escape(line) for line in _wrapped(architecture_text(trial.architecture))]
    return "<br>".join([head, *lines])


def _wrapped(text: str, width: int = 44, most: int = 8) -> list[str]:
    lines = textwrap.wrap(text, width)
    return lines if len(lines) <= most else [*lines[:most], "…"]


def shortened(text: str, most: int = 24) -> str:
    """Give a name as it may stand in a chart: short and escaped."""
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def stage_colour(index: int) -> str:
    """Give the colour of the stage with that place in the run."""
    return _STAGES[index % len(_STAGES)]


def blank_figure(x: str, y: str) -> go.Figure:
    """Give an empty figure without a ground of its own: it lies on light or dark paper."""
    axis: Mapping[str, Any] = {
        "gridcolor": _GRID,
        "zeroline": False,
        "linecolor": _GRID,
        "automargin": True,
    }
    return go.Figure(
        layout=go.Layout(
            template=None,
            height=400,
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            font={"color": _INK, "size": 13},
            xaxis={**axis, "title": {"text": escape(x)}},
            yaxis={**axis, "title": {"text": escape(y)}},
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            hoverlabel={
                "align": "left",
                "namelength": -1,
                "bgcolor": "#1c2530",
                "bordercolor": "#8b95a3",
                "font": {"color": "#ffffff"},
            },
            hovermode="closest",
        )
    )


def count_axis(figure: go.Figure, counts: Iterable[float]) -> None:
    """Let the x axis, on which something is counted, show whole numbers alone.

    Where there are ten or more, the chart's own steps are whole.
    """
    known = list(counts)
    if not known or max(known) - min(known) < _WHOLE_STEPS:
        figure.update_xaxes(tick0=0, dtick=1)


def as_json(figure: go.Figure) -> str:
    """Give a figure's JSON, safe inside a `<script>` element; numbers that are none become null."""
    text: str = figure.to_json()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
