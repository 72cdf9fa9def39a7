"""Stoppers: which running trials are not worth finishing."""

from __future__ import annotations

from archloom.stoppers._curve import CurveStopper
from archloom.stoppers._describe import described, made
from archloom.stoppers._halving import Halving
from archloom.stoppers._median import Median
from archloom.stoppers._never import Never
from archloom.stoppers._stopper import Stopper

__all__ = ["CurveStopper", "Halving", "Median", "Never", "Stopper", "described", "made"]
