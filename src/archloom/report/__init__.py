"""Reports of a run: plain rows, plotly figures, a drawing of a model, and the HTML page.

A section is a function from a `Context` to HTML; `write_report(..., sections=)` takes more.
"""

from archloom.report._confusion import confusion
from archloom.report._context import Context, Section
from archloom.report._costs import cost_vs_score, costs
from archloom.report._curves import best_so_far, learning_curves
from archloom.report._drawing import draw
from archloom.report._layers import Layer, layers
from archloom.report._one_shot import supernet_troubles
from archloom.report._page import DEFAULT_SECTIONS, write_report
from archloom.report._predicted import predicted_against_true
from archloom.report._supernet_charts import probabilities, scores_over_epochs
from archloom.report._table import Row, failures, leaderboard

__all__ = [
    "DEFAULT_SECTIONS",
    "Context",
    "Layer",
    "Row",
    "Section",
    "best_so_far",
    "confusion",
    "cost_vs_score",
    "costs",
    "draw",
    "failures",
    "layers",
    "leaderboard",
    "learning_curves",
    "predicted_against_true",
    "probabilities",
    "scores_over_epochs",
    "supernet_troubles",
    "write_report",
]
