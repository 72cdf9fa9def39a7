"""The section about test data: results of the finalists, and every access."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from archloom.report._context import Context
from archloom.report._evidence import drawn_evidence
from archloom.report._format import architecture_text, number, text
from archloom.report._html import Cell, section, table


def test_results(context: Context) -> str:
    """What the finalists reached on test data, and every access to those data."""
    notes = [noted.data for noted in context.study.notes("test")]
    access = context.study.notes("test-access")
    if not notes and not access:
        return ""
    parts = []
    if notes:
        names = list(dict.fromkeys(name for data in notes for name in data.get("metrics", {})))
        rows = [_finalist(context, data, names) for data in notes]
        columns = ["Trial", "Validation", *names]
        if any("accuracy" in data.get("metrics", {}) for data in notes):
            columns.append("95 % interval of accuracy")
            intervals = [_interval(data) for data in notes]
            rows = [[*row, shown] for row, shown in zip(rows, intervals, strict=True)]
        caption = "Finalists on test data. The winner was chosen by validation data alone."
        parts += [table(caption, columns, rows), drawn_evidence(_chosen(context, notes))]
    times = [
        (_when(noted.time), Cell(text(noted.data.get("trial"))), _named(noted.data))
        for noted in access
    ]
    if times:
        caption = f"Every access to test data: {len(times)}"
        parts.append(table(caption, ["When", "Trial", "Architecture"], times))
    return section("test", "Test data", *parts)


def _finalist(context: Context, data: Mapping[str, Any], names: Sequence[str]) -> list[Cell | str]:
    found = data.get("metrics", {})
    objective = context.study.objectives[0].metric
    scores = {row.number: row.scores.get(objective, math.nan) for row in context.rows}
    valid = scores.get(data.get("trial", -1), math.nan)
    values = [found.get(name, math.nan) for name in names]
    return [
        text(data.get("trial")),
        Cell(number(valid), valid),
        *(Cell(number(value), value) for value in values),
    ]


def _chosen(context: Context, notes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Give the winner's result, else the first."""
    winner = context.winner.number if context.winner else None
    return next((data for data in notes if data.get("trial") == winner), notes[0])


def _interval(data: Mapping[str, Any]) -> str:
    """Give Wilson's 95 % interval (1927) of a share of `size` cases, "" without them.

    The accuracy of several labels is no share of independent cases, and has none.

    >>> _interval({"metrics": {"accuracy": 0.5}, "size": 100}), _interval({"size": 100})
    ('0.404 to 0.596', '')
    """
    share, size = data.get("metrics", {}).get("accuracy"), data.get("size")
    if data.get("labels") or share is None or not size or not 0 <= share <= 1:
        return ""
    z = 1.959964
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2)
    return f"{middle - half:.3f} to {middle + half:.3f}"


def _named(data: Mapping[str, Any]) -> str:
    architecture = data.get("architecture")
    return architecture_text(architecture) if isinstance(architecture, Mapping) else ""


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment else ""
