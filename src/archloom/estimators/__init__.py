"""Estimators: how good an architecture is, and what it costs."""

from __future__ import annotations

from archloom.estimators._base import Ancestor, Candidate, Estimator, checked_metrics
from archloom.estimators._budgets import budgets_of, continues, inherits_weights
from archloom.estimators._check import check_estimator
from archloom.estimators._combine import Combined, combine
from archloom.estimators._cost import Cost
from archloom.estimators._cross_validate import CrossValidate
from archloom.estimators._describe import describe, from_config, rebuild_estimator
from archloom.estimators._distill import Distill
from archloom.estimators._extrapolated import Extrapolated
from archloom.estimators._inherited import Inherited, finite
from archloom.estimators._latency_table import LatencyTable
from archloom.estimators._look_up import LookUp
from archloom.estimators._metrics import metrics_of, reported_metrics
from archloom.estimators._repeat import Repeat
from archloom.estimators._table_latency import TableLatency
from archloom.estimators._train import Train
from archloom.estimators._zero_cost import ZeroCost

__all__ = [
    "Ancestor",
    "Candidate",
    "Combined",
    "Cost",
    "CrossValidate",
    "Distill",
    "Estimator",
    "Extrapolated",
    "Inherited",
    "LatencyTable",
    "LookUp",
    "Repeat",
    "TableLatency",
    "Train",
    "ZeroCost",
    "budgets_of",
    "check_estimator",
    "checked_metrics",
    "combine",
    "continues",
    "describe",
    "finite",
    "from_config",
    "inherits_weights",
    "metrics_of",
    "rebuild_estimator",
    "reported_metrics",
]
