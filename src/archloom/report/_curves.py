"""Charts over training steps and over the course of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from itertools import accumulate
from typing import Literal

import plotly.graph_objects as go

from archloom.errors import ConfigError
from archloom.report._figure import (
    blank_figure,
    count_axis,
    has_number,
    shortened,
    stage_colour,
    stages,
    thinned,
    tip,
    told_in_full,
)
from archloom.report._table import gain
from archloom.study import Study
from archloom.trial import Trial

MAX_CURVES = 100


def learning_curves(study: Study, metric: str | None = None, limit: int = MAX_CURVES) -> go.Figure:
    """Draw what the best `limit` trials reported step by step, each stage's best one in bold.

    Without `metric`: the first objective where it was reported, else what most trials reported.

    >>> len(learning_curves(Study()).data)
    0
    """
    metric = metric or reported_metric(study)
    crossed = any("folds" in trial.metrics for trial in study.trials())
    steps = "Epoch, or where cross-validated the folds so far (their mean)" if crossed else "Epoch"
    figure = blank_figure(steps, metric or "score")
    for index, stage in enumerate(stages(study)):
        ranked = curved_trials(study, metric, stage)[:limit]
        for place, trial in reversed(list(enumerate(ranked))):
            points = study.curve(trial.number, metric or "")
            best = place == 0 and has_number(trial, study.objectives[0])
            name = f"best, trial {trial.number}" if best else "others"
            figure.add_scatter(
                x=[step for step, _ in points],
                y=[value for _, value in points],
                mode="lines+markers" if best or len(points) < 3 else "lines",
                line={"width": 3 if best else 1.2, "color": stage_colour(index)},
                marker={"size": 7 if best else 4},
                opacity=1 if best else max(0.35, 0.8 - 0.01 * len(ranked)),
                legendgroup=f"{stage} {best}",
                showlegend=place <= 1,
                name=f"{shortened(stage)}: {name}",
                hovertemplate=f"step %{{x}}: {escape(metric or '')} %{{y:.4f}}<br>"
                f"{tip(trial)}<extra></extra>",
            )
    count_axis(figure, [step for line in figure.data for step in line.x])
    return figure


def curved_trials(study: Study, metric: str | None, stage: str | None = None) -> list[Trial]:
    """Give the trials that reported the metric, best first: finished ones before the others."""
    objective = study.objectives[0]
    found = [t for t in study.trials(stage) if any(metric in values for _, values in t.curve)]
    return sorted(found, key=lambda trial: (-gain(trial, objective), trial.number))


def reported_metric(study: Study) -> str | None:
    """Give the metric whose curves say most: the first objective, else the most reported one."""
    seen = Counter(name for trial in study.trials() for name in _reported(trial))
    for objective in study.objectives:
        if objective.metric in seen:
            return objective.metric
    return seen.most_common(1)[0][0] if seen else None


def _reported(trial: Trial) -> set[str]:
    return {name for _, metrics in trial.curve for name in metrics}


def best_so_far(study: Study, over: Literal["trials", "time"] = "trials") -> go.Figure:
    """Draw each scored trial as a dot and the best value so far as a line, for each stage.

    `over="time"` puts the summed wall time of all trials on the x axis instead of their number.

    >>> best_so_far(Study(), over="time").layout.xaxis.title.text
    'Time in trials (s)'
    """
    objective = study.objectives[0]
    best = max if objective.direction == "max" else min
    place, title = _places(study, over)
    figure = blank_figure(title, objective.metric)
    rich = told_in_full(study, objective)
    for index, stage in enumerate(stages(study)):
        trials = [t for t in study.trials(stage) if t.state.scored and has_number(t, objective)]
        if not trials:
            continue
        values = [t.metrics[objective.metric] for t in trials]
        line = list(accumulate(values, best))
        dots = thinned(trials)
        figure.add_scatter(
            x=[place[t.number] for t in dots],
            y=[t.metrics[objective.metric] for t in dots],
            mode="markers",
            marker={"size": 6, "color": stage_colour(index), "opacity": 0.65},
            name=f"{shortened(stage)}: each trial",
            text=[tip(t, t.number in rich) for t in dots],
            hovertemplate="%{text}<extra></extra>",
        )
        steps = [i for i, value in enumerate(line) if i == 0 or value != line[i - 1]]
        steps += [len(line) - 1]
        figure.add_scatter(
            x=[place[trials[i].number] for i in steps],
            y=[line[i] for i in steps],
            mode="lines",
            line={"shape": "hv", "width": 2.5, "color": stage_colour(index)},
            name=f"{shortened(stage)}: best so far",
            hoverinfo="skip",
        )
    if over == "trials":
        count_axis(figure, [trial.number for trial in study.trials()])
    return figure


def _places(study: Study, over: str) -> tuple[Mapping[int, float], str]:
    """Give every trial's place on the x axis, and the title of the axis."""
    if over not in ("trials", "time"):
        raise ConfigError(f"A curve runs over 'trials' or 'time', got {over!r}.")
    trials = study.trials()
    if over == "trials":
        return {trial.number: trial.number for trial in trials}, "Trial"
    ends = list(accumulate(trial.seconds for trial in trials))
    total = ends[-1] if ends else 0.0
    unit, size = ("h", 3600) if total > 7200 else ("min", 60) if total > 120 else ("s", 1)
    places = {trial.number: end / size for trial, end in zip(trials, ends, strict=True)}
    return places, f"Time in trials ({unit})"
