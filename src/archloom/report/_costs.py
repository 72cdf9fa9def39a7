"""The chart of cost against score."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from archloom.errors import ConfigError, did_you_mean
from archloom.objective import Objective
from archloom.report._figure import (
    FRONT,
    blank_figure,
    has_number,
    shortened,
    stage_colour,
    stages,
    thinned,
    tip,
    told_in_full,
)
from archloom.study import Study
from archloom.trial import Trial

COSTS = ("params", "flops", "latency_ms", "latency", "memory", "seconds")
"""Metrics that a chart of cost against score is drawn for."""


def costs(study: Study) -> list[str]:
    """Give the cost metrics that scored trials have, other than the first objective.

    >>> costs(Study())
    []
    """
    seen = {name for trial in study.trials() if trial.state.scored for name in trial.metrics}
    further = [objective.metric for objective in study.objectives[1:]]
    wanted = dict.fromkeys([*further, *COSTS])
    return [name for name in wanted if name in seen and name != study.objectives[0].metric]


def cost_vs_score(study: Study, cost: str | None = None) -> go.Figure:
    """Draw the first objective against a cost, and the trials that no other beats in both.

    Raises:
        ConfigError: when no scored trial has that cost; without `cost`, when none has any.
    """
    known = costs(study)
    seen = sorted({name for trial in study.trials() for name in trial.metrics})
    if cost is None and known:
        cost = known[0]
    if cost is None or cost not in seen:
        raise ConfigError(
            f"No scored trial has the cost {cost!r}: {did_you_mean(str(cost), seen)}."
        )
    objective = study.objectives[0]
    second = next((o for o in study.objectives if o.metric == cost), Objective(cost, "min"))
    figure = blank_figure(cost, objective.metric)
    rich = told_in_full(study, objective)
    usable = [
        t
        for t in study.trials()
        if t.state.scored and has_number(t, objective) and has_number(t, second)
    ]
    for index, stage in enumerate(stages(study)):
        dots = thinned([trial for trial in usable if trial.stage == stage])
        if dots:
            figure.add_scatter(
                x=[t.metrics[cost] for t in dots],
                y=[t.metrics[objective.metric] for t in dots],
                mode="markers",
                marker={"size": 7, "color": stage_colour(index), "opacity": 0.55},
                name=shortened(stage),
                text=[tip(t, t.number in rich) for t in dots],
                hovertemplate="%{text}<extra></extra>",
            )
    if usable:
        _add_front(figure, study.front([objective, second]), objective, second)
    values = [trial.metrics[cost] for trial in usable]
    if values and min(values) > 0 and max(values) > 30 * min(values):
        figure.update_xaxes(type="log")
    return figure


def _add_front(
    figure: go.Figure, front: Sequence[Trial], objective: Objective, cost: Objective
) -> None:
    ordered = sorted(front, key=lambda trial: trial.metrics[cost.metric])
    figure.add_scatter(
        x=[t.metrics[cost.metric] for t in ordered],
        y=[t.metrics[objective.metric] for t in ordered],
        mode="lines+markers",
        line={"shape": "hv" if cost.direction == "min" else "vh", "width": 2, "color": FRONT},
        marker={"size": 10, "symbol": "circle-open", "line": {"width": 2}},
        name="not beaten in both (Pareto front)",
        text=[tip(trial) for trial in ordered],
        hovertemplate="%{text}<extra></extra>",
    )
