"""The chart of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from archloom.report._figure import blank_figure, shortened


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> go.Figure:
    """Draw a confusion matrix: a row is a true class, its colours are shares of that row.

    >>> list(confusion([[8, 2], [1, 9]], ["cat", "dog"]).data[0].z[0])
    [0.8, 0.2]
    """
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    names = [shortened(name) for name in classes]
    few = len(names) <= 20
    figure = blank_figure("Predicted class", "True class")
    figure.add_heatmap(
        z=shares,
        x=list(range(len(names))),
        y=list(range(len(names))),
        text=[[count or "" for count in row] for row in counts],
        texttemplate="%{text}" if few else None,
        customdata=[
            [f"{true} taken for {guess}: {count}" for guess, count in zip(names, row, strict=True)]
            for true, row in zip(names, counts, strict=True)
        ],
        hovertemplate="%{customdata} (%{z:.1%})<extra></extra>",
        colorscale="Cividis",
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=1,
        ygap=1,
    )
    ticks = {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False}
    figure.update_xaxes(**(ticks if few else {}), constrain="domain", zeroline=False)
    figure.update_yaxes(
        **(ticks if few else {}), autorange="reversed", scaleanchor="x", zeroline=False
    )
    figure.update_layout(height=min(640, 260 + 26 * len(names)), hovermode="closest")
    return figure
