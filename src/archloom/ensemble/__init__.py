"""Ensembles: several trained models as one, chosen on validation data and only where it helps."""

from __future__ import annotations

from archloom.ensemble._calibrate import (
    THRESHOLD_METRICS,
    fit_temperature,
    fit_threshold,
    log_losses,
)
from archloom.ensemble._choice import Choice
from archloom.ensemble._choose import (
    FEW,
    Library,
    choose_members,
    choose_temperature,
    choose_threshold,
    choose_views,
)
from archloom.ensemble._combine import combined_model
from archloom.ensemble._distill import distill
from archloom.ensemble._judge import Difference, Judge, Verdict, paired_difference
from archloom.ensemble._members import (
    MEMBERS,
    Leaf,
    find_leaves,
    has_model,
    inputs_of,
    load_leaf,
    load_model,
    read_members,
    write_members,
)
from archloom.ensemble._outputs import OUTPUTS, Saved, save_outputs, saved_outputs
from archloom.ensemble._parts import Part, combine_outputs, from_means, parts_of, to_means
from archloom.ensemble._select import greedy_selection
from archloom.ensemble._views import PLAIN, VIEWS, view_options

__all__ = [
    "FEW",
    "MEMBERS",
    "OUTPUTS",
    "PLAIN",
    "THRESHOLD_METRICS",
    "VIEWS",
    "Choice",
    "Difference",
    "Judge",
    "Leaf",
    "Library",
    "Part",
    "Saved",
    "Verdict",
    "choose_members",
    "choose_temperature",
    "choose_threshold",
    "choose_views",
    "combine_outputs",
    "combined_model",
    "distill",
    "find_leaves",
    "fit_temperature",
    "fit_threshold",
    "from_means",
    "greedy_selection",
    "has_model",
    "inputs_of",
    "load_leaf",
    "load_model",
    "log_losses",
    "paired_difference",
    "parts_of",
    "read_members",
    "save_outputs",
    "saved_outputs",
    "to_means",
    "view_options",
    "write_members",
]
