"""The trials that no other beats in all objectives at once, and how that front grew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from archloom.objective import Objective
from archloom.pareto import hypervolume, non_dominated
from archloom.report._context import Context
from archloom.report._figure import (
    FRONT,
    blank_figure,
    count_axis,
    has_number,
    shortened,
)
from archloom.report._format import architecture_text, number
from archloom.report._html import Cell, chart, paragraph, section, table
from archloom.study import Study
from archloom.trial import Trial

MAX_ROWS = 200
_MAX_OBJECTIVES = 5  # beyond, an exact hypervolume takes too long


def worst_values(study: Study) -> dict[str, float]:
    """Give the worst value of each objective that a scored trial has; empty without any trial.

    >>> worst_values(Study())
    {}
    """
    return {
        objective.metric: min(values, key=objective.gain)
        for objective in study.objectives
        if (values := [trial.metrics[objective.metric] for trial in _usable(study)])
    }


def front_over_trials(study: Study) -> go.Figure:
    """Draw the hypervolume of the front of all objectives after each trial that moved it.

    It is the share that is beaten of the box between the worst and the best value of each
    objective in the run. For a hypervolume that can be compared between runs, give
    `Study.hypervolume` a reference of your own.

    >>> len(front_over_trials(Study()).data)
    0
    """
    figure = blank_figure("Trial", "Hypervolume (share of the box)")
    trials = _usable(study)
    if not trials:
        return figure
    steps = _growth(trials, study.objectives)
    figure.add_scatter(
        x=[place for place, _ in steps],
        y=[share for _, share in steps],
        mode="lines",
        line={"shape": "hv", "width": 2.5, "color": FRONT},
        name="front of all trials so far",
        hovertemplate="trial %{x}: %{y:.4f}<extra></extra>",
    )
    count_axis(figure, [trial.number for trial in study.trials()])
    figure.update_yaxes(range=[0, 1.02])
    return figure


def parallel_objectives(study: Study) -> go.Figure:
    """Draw each trial of the front as a line over all objectives, one axis each, best on top.

    >>> len(parallel_objectives(Study()).data)
    0
    """
    figure = blank_figure("", "")
    found = study.front() if _usable(study) else []
    if not found:
        return figure
    axes = []
    for objective in study.objectives:
        values = [trial.metrics[objective.metric] for trial in found]
        axis = {"label": shortened(str(objective)), "values": values}
        if objective.direction == "min":
            axis["range"] = [max(values), min(values)]
        axes.append(axis)
    figure.add_trace(go.Parcoords(dimensions=axes, line={"color": FRONT}))
    figure.update_layout(margin={"l": 48, "r": 48, "t": 48, "b": 16})
    return figure


def front(context: Context) -> str:
    """The front of several objectives: its trials, and its hypervolume over the run."""
    study = context.study
    objectives = study.objectives
    if len(objectives) < 2 or not _usable(study):
        return ""
    found = study.front()
    parts = [paragraph(_summary(study, found)), _table(found, objectives)]
    if len(objectives) > 2:
        label = f"{len(found)} trials over {len(objectives)} objectives"
        parts.append(chart(parallel_objectives(study), label, "A line is a trial of the front."))
    if len(objectives) <= _MAX_OBJECTIVES:
        parts.append(
            chart(
                front_over_trials(study),
                "Hypervolume of the front over trials",
                "How much of the box between the worst and the best value of each objective is "
                "beaten by at least one trial. A line that has been flat for long says that more "
                "trials of this search will hardly help.",
            )
        )
    return section("front", "Pareto front", *parts)


def _summary(study: Study, found: Sequence[Trial]) -> str:
    named = ", ".join(map(str, study.objectives))
    text = f"{len(found):,} of {len(_usable(study)):,} trials: no other is better in one of " + (
        f"{named} without being worse in another."
    )
    if len(study.objectives) > _MAX_OBJECTIVES:
        return text
    reference = worst_values(study)
    worst = ", ".join(f"{name} {number(value)}" for name, value in reference.items())
    return f"{text} Hypervolume {study.hypervolume(reference):.6g}, measured from {worst}."


def _table(found: Sequence[Trial], objectives: Sequence[Objective]) -> str:
    columns = ["Trial", "Stage", *(o.metric for o in objectives), "Architecture"]
    body = [_row(trial, objectives) for trial in found[:MAX_ROWS]]
    cut = f" The first {MAX_ROWS} of {len(found):,} are listed." * (len(found) > MAX_ROWS)
    caption = f"The front, best {objectives[0].metric} first; click a heading to sort.{cut}"
    return table(caption, columns, body, sortable=True)


def _row(trial: Trial, objectives: Sequence[Objective]) -> list[Cell | str]:
    shown = architecture_text(trial.architecture)
    values = [trial.metrics[objective.metric] for objective in objectives]
    return [
        Cell(str(trial.number), trial.number),
        trial.stage,
        *(Cell(number(value), value) for value in values),
        Cell(shown if len(shown) <= 90 else f"{shown[:89]}…", title=shown),
    ]


def _usable(study: Study) -> list[Trial]:
    """Give the scored trials with a finite number for each objective, in order of their start."""
    return [
        trial
        for trial in study.trials()
        if trial.state.scored and all(has_number(trial, o) for o in study.objectives)
    ]


def _growth(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[tuple[int, float]]:
    """Give the trials that moved the front, with the share of the box after each; and the last."""
    points = np.array([[o.gain(trial.metrics[o.metric]) for o in objectives] for trial in trials])
    worst, best = points.min(0), points.max(0)
    points = (points - worst) / np.where(best > worst, best - worst, 1.0)
    origin = [0.0] * len(objectives)
    steps = [(trials[0].number, 0.0)]
    ahead, volume = points[:0], 0.0
    for trial, point in zip(trials, points, strict=True):
        # What a point adds is its own box less what the others have of that.
        added = hypervolume([point], origin) - hypervolume(np.minimum(ahead, point), origin)
        if added > 0:
            ahead = np.vstack([ahead, point])
            ahead = ahead[non_dominated(ahead)]
            volume += added
            steps.append((trial.number, volume))
    return [*steps, (trials[-1].number, volume)]
