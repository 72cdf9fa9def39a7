"""One-shot methods: gates that decide what a weight-sharing supernet trains and becomes."""

from __future__ import annotations

from archloom.oneshot._assess import Assessment, Seen, assess, collapse, likelihood
from archloom.oneshot._bilevel import Bilevel, Losses
from archloom.oneshot._collapse import (
    Action,
    Finding,
    Guard,
    Particular,
    Past,
    Verdict,
    View,
    gravest,
    look,
)
from archloom.oneshot._cost_tree import METRICS, CostTree, Term
from archloom.oneshot._darts import Darts
from archloom.oneshot._data import Halves, epoch_batches, halve, whole
from archloom.oneshot._describe import (
    describe_gates,
    describe_part,
    rebuild_gates,
    rebuild_part,
    setting_names,
    settings_of,
)
from archloom.oneshot._drnas import DrNas
from archloom.oneshot._drop_operations import SkipDropout
from archloom.oneshot._eigenvalue import Eigenvalue, largest_eigenvalue
from archloom.oneshot._enas import Enas
from archloom.oneshot._fairnas import FairNas
from archloom.oneshot._fused import fused
from archloom.oneshot._gates import Gates, Judge, Judged, Learned, Limited, State
from archloom.oneshot._gdas import Gdas
from archloom.oneshot._idle import Count, cell_of, count_idle, idle_options, idle_share
from archloom.oneshot._mixture import mixture, supernet_score
from archloom.oneshot._monitor import Monitor
from archloom.oneshot._passes import Passes, on_device
from archloom.oneshot._pc_darts import PcDarts
from archloom.oneshot._penalty import Charge, Penalty
from archloom.oneshot._perturb import Perturbation, narrowed
from archloom.oneshot._proxylessnas import ProxylessNas
from archloom.oneshot._ranking import Ranking, rank_correlation
from archloom.oneshot._recipe import FilledRecipe, SupernetRecipe
from archloom.oneshot._sandwich import Sandwich
from archloom.oneshot._scorer import Scorer, kept_buffers
from archloom.oneshot._skips import SkipCount
from archloom.oneshot._snas import Snas
from archloom.oneshot._steps import ArchGradient, WeightStep, weight_gradients
from archloom.oneshot._stored import (
    Stored,
    find_supernet,
    load_supernet,
    save_supernet,
    supernet_path,
)
from archloom.oneshot._traits import ArchOptimizer, Traits, WeightOptimizer
from archloom.oneshot._uniform import Uniform, uniform_chances

__all__ = [
    "METRICS",
    "Action",
    "ArchGradient",
    "ArchOptimizer",
    "Assessment",
    "Bilevel",
    "Charge",
    "CostTree",
    "Count",
    "Darts",
    "DrNas",
    "Eigenvalue",
    "Enas",
    "FairNas",
    "FilledRecipe",
    "Finding",
    "Gates",
    "Gdas",
    "Guard",
    "Halves",
    "Judge",
    "Judged",
    "Learned",
    "Limited",
    "Losses",
    "Monitor",
    "Particular",
    "Passes",
    "Past",
    "PcDarts",
    "Penalty",
    "Perturbation",
    "ProxylessNas",
    "Ranking",
    "Sandwich",
    "Scorer",
    "Seen",
    "SkipCount",
    "SkipDropout",
    "Snas",
    "State",
    "Stored",
    "SupernetRecipe",
    "Term",
    "Traits",
    "Uniform",
    "Verdict",
    "View",
    "WeightOptimizer",
    "WeightStep",
    "assess",
    "cell_of",
    "collapse",
    "count_idle",
    "describe_gates",
    "describe_part",
    "epoch_batches",
    "find_supernet",
    "fused",
    "gravest",
    "halve",
    "idle_options",
    "idle_share",
    "kept_buffers",
    "largest_eigenvalue",
    "likelihood",
    "load_supernet",
    "look",
    "mixture",
    "narrowed",
    "on_device",
    "rank_correlation",
    "rebuild_gates",
    "rebuild_part",
    "save_supernet",
    "setting_names",
    "settings_of",
    "supernet_path",
    "supernet_score",
    "uniform_chances",
    "weight_gradients",
    "whole",
]
