"""Reports of a run: plain rows, plotly figures, a drawing of a model, and the HTML page.

A section is a function from a `Context` to HTML; `write_report(..., sections=)` takes more.
"""

from archloom.report._bench import write_bench_report
from archloom.report._bench_charts import anytime, finds, ranks
from archloom.report._confusion import confusion
from archloom.report._context import Context, Section
from archloom.report._costs import cost_vs_score, costs
from archloom.report._curves import best_so_far, learning_curves
from archloom.report._drawing import draw
from archloom.report._front import front_over_trials, parallel_objectives, worst_values
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
    "anytime",
    "best_so_far",
    "confusion",
    "cost_vs_score",
    "costs",
    "draw",
    "failures",
    "finds",
    "front_over_trials",
    "layers",
    "leaderboard",
    "learning_curves",
    "parallel_objectives",
    "predicted_against_true",
    "probabilities",
    "ranks",
    "scores_over_epochs",
    "supernet_troubles",
    "worst_values",
    "write_bench_report",
    "write_report",
]
