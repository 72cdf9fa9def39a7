"""Charts of a comparison of strategies: values, ranks and finds over the budget."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np
import plotly.graph_objects as go

from archloom.bench import Results
from archloom.report._figure import blank_figure, shortened

# Okabe and Ito's palette, told apart with any kind of colour vision, seen on light and dark.
_COLOURS = ("#2B8CD0", "#D55E00", "#0AA07A", "#CC79A7", "#E69F00", "#56B4E9", "#8A7FD6", "#A0A33B")
_DASHES = ("solid", "dash", "dot", "dashdot")
_BUDGET = "Budget: architectures evaluated"
_NAMES = {"regret": "Distance to the table's best", "searched": "", "reported": ""}


def anytime(results: Results, what: str = "regret") -> go.Figure:
    """Draw the median over seeds of the best one known, and its quartiles as a band.

    `what` is `"regret"`, `"searched"` or `"reported"`. Regret has a logarithmic axis, on which a
    seed that has the table's best lies at the lower edge.
    """
    searched, reported = results.objective.metric, str(results.header["report"])
    name = _NAMES[what] or (searched if what == "searched" else reported)
    figure = blank_figure(_BUDGET, name)
    grid = results.grid()
    curves = {strategy: results.curve(strategy, what) for strategy in results.strategies}
    floor = _floor(curves.values()) if what == "regret" else None
    for index, (strategy, values) in enumerate(curves.items()):
        shown = values if floor is None else np.maximum(values, floor)
        _band(figure, index, strategy, grid, shown, values)
    if floor is not None:
        figure.update_yaxes(type="log", dtick=1, exponentformat="none")
    else:
        _look_at_the_end(figure, grid, curves.values())
    return figure


def finds(results: Results) -> go.Figure:
    """Draw the share of seeds that have the table's best over the budget."""
    figure = blank_figure(_BUDGET, "Seeds that found the table's best (%)")
    for index, strategy in enumerate(results.strategies):
        _line(figure, index, strategy, results.grid(), 100 * results.found(strategy), "%{y:.0f} %")
    figure.update_yaxes(range=[-2, 102])
    return figure


def ranks(results: Results) -> go.Figure:
    """Draw mean ranks over the budget; rank 1, the best, is at the top."""
    figure = blank_figure(_BUDGET, "Mean rank")
    for index, (strategy, values) in enumerate(results.mean_ranks().items()):
        _line(figure, index, strategy, results.grid(), values, "mean rank %{y:.2f}")
    figure.update_yaxes(autorange="reversed")
    return figure


def _look_at_the_end(
    figure: go.Figure, grid: np.ndarray, curves: Iterable[np.ndarray], early: float = 0.1
) -> None:
    """Let the axis leave out the first tenth, whose values would press all others together."""
    late = np.concatenate([curve[grid >= early * grid[-1]].ravel() for curve in curves])
    late = late[np.isfinite(late)]
    if len(late) and late.min() < late.max():
        room = 0.05 * float(late.max() - late.min())
        figure.update_yaxes(range=[float(late.min()) - room, float(late.max()) + room])


def _floor(curves: Iterable[np.ndarray]) -> float:
    """Give a value below every regret but zero, to stand for zero on a logarithmic axis."""
    values = np.concatenate([np.ravel(curve) for curve in curves])
    positive = values[np.isfinite(values) & (values > 1e-6 * np.nanmax(values, initial=0.0))]
    return float(positive.min()) / 2 if len(positive) else 1e-3


def _band(
    figure: go.Figure,
    index: int,
    strategy: str,
    grid: np.ndarray,
    shown: np.ndarray,
    values: np.ndarray,
) -> None:
    low, middle, high = shown.T
    colour = _COLOURS[index % len(_COLOURS)]
    for edge, fill in ((high, None), (low, "tonexty")):
        figure.add_scatter(
            x=grid,
            y=edge,
            mode="lines",
            line={"width": 0, "color": colour, "shape": "hv"},
            fill=fill,
            fillcolor=_faint(colour),
            legendgroup=strategy,
            showlegend=False,
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=grid,
        y=middle,
        customdata=values,
        mode="lines",
        line={**_style(index), "shape": "hv"},
        legendgroup=strategy,
        name=shortened(strategy, 40),
        hovertemplate=f"<b>{escape(strategy)}</b><br>budget %{{x}}: median %{{customdata[1]:.4g}}"
        "<br>quartiles %{customdata[0]:.4g} to %{customdata[2]:.4g}<extra></extra>",
    )


def _line(
    figure: go.Figure, index: int, strategy: str, grid: np.ndarray, values: np.ndarray, text: str
) -> None:
    figure.add_scatter(
        x=grid,
        y=values,
        mode="lines",
        line={**_style(index), "shape": "hv"},
        name=shortened(strategy, 40),
        hovertemplate=f"<b>{escape(strategy)}</b><br>budget %{{x}}: {text}<extra></extra>",
    )


def _style(index: int) -> dict[str, object]:
    dash = _DASHES[index // len(_COLOURS) % len(_DASHES)]
    return {"color": _COLOURS[index % len(_COLOURS)], "dash": dash, "width": 2.2}


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"
