"""Strategies: which architecture to try next, learned from the trials so far."""

from __future__ import annotations

from archloom.strategies._evolution import Evolution
from archloom.strategies._grid import Grid
from archloom.strategies._local_search import LocalSearch
from archloom.strategies._random import Random
from archloom.strategies._strategy import Offer, Strategy

__all__ = ["Evolution", "Grid", "LocalSearch", "Offer", "Random", "Strategy"]
