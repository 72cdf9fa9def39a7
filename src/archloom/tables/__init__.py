"""Tables of architectures that were measured before: benchmarks, and the user's own."""

from __future__ import annotations

from archloom.tables._build import table_of
from archloom.tables._load import load_table, read_columns
from archloom.tables._table import Fidelities, Table, steps_of

__all__ = [
    "Fidelities",
    "Table",
    "load_table",
    "read_columns",
    "steps_of",
    "table_of",
]
