"""The chart of predicted against true numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from archloom.report._figure import blank_figure, stage_colour


def predicted_against_true(
    predicted: Sequence[float], true: Sequence[float], name: str = "value"
) -> go.Figure:
    """Draw a dot for each sample; on the line the prediction is right.

    >>> figure = predicted_against_true([1.0, 2.5], [1.0, 2.0], "price")
    >>> list(figure.data[0].x), list(figure.data[0].y)
    ([1.0, 2.0], [1.0, 2.5])
    """
    figure = blank_figure(f"True {name}", f"Predicted {name}")
    figure.add_scatter(
        x=list(true),
        y=list(predicted),
        mode="markers",
        marker={"color": stage_colour(0), "size": 6, "opacity": 0.6},
        hovertemplate="true %{x:.6g}, predicted %{y:.6g}<extra></extra>",
        showlegend=False,
    )
    known = [value for value in (*true, *predicted) if math.isfinite(value)]
    if known:
        ends = [min(known), max(known)]
        figure.add_scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"color": "#7b8190", "dash": "dot", "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    return figure
