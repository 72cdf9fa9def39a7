"""Estimators: how good an architecture is, and what it costs."""

from __future__ import annotations

from archloom.estimators._base import Ancestor, Candidate, Estimator, checked_metrics
from archloom.estimators._check import check_estimator
from archloom.estimators._combine import Combined, combine
from archloom.estimators._cost import Cost
from archloom.estimators._cross_validate import CrossValidate
from archloom.estimators._describe import describe, from_config, rebuild_estimator
from archloom.estimators._distill import Distill
from archloom.estimators._inherited import Inherited, finite
from archloom.estimators._metrics import metrics_of
from archloom.estimators._repeat import Repeat
from archloom.estimators._train import Train

__all__ = [
    "Ancestor",
    "Candidate",
    "Combined",
    "Cost",
    "CrossValidate",
    "Distill",
    "Estimator",
    "Inherited",
    "Repeat",
    "Train",
    "check_estimator",
    "checked_metrics",
    "combine",
    "describe",
    "finite",
    "from_config",
    "metrics_of",
    "rebuild_estimator",
]
