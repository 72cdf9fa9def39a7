"""Compare strategies on a table: many seeds, anytime curves, ranks, tests of significance."""

from __future__ import annotations

from archloom.bench._cell import Cell
from archloom.bench._entry import Entry, parse_entries, read_entries
from archloom.bench._results import Results, Summary
from archloom.bench._run import Bench, Watch
from archloom.bench._setting import Setting
from archloom.bench._significance import Pair, Ranking, compare_pairs, rank
from archloom.bench._simulate import simulate

__all__ = [
    "Bench",
    "Cell",
    "Entry",
    "Pair",
    "Ranking",
    "Results",
    "Setting",
    "Summary",
    "Watch",
    "compare_pairs",
    "parse_entries",
    "rank",
    "read_entries",
    "simulate",
]
