"""The section about test data: results of the finalists, and every access."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from archloom.report._confusion import confusion
from archloom.report._context import Context
from archloom.report._format import architecture_text, number, text
from archloom.report._html import Cell, chart, details, section, table


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
        columns = ["Trial", "Validation", *names, "95 % interval of accuracy"]
        caption = "Finalists on test data. The winner was chosen by validation data alone."
        parts += [table(caption, columns, rows), _confusion(context, notes)]
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
        _interval(found.get("accuracy"), data.get("size")),
    ]


def _interval(share: float | None, size: int | None) -> str:
    """Give Wilson's 95 % interval (1927) of a share of `size` cases, "" without them.

    >>> _interval(0.5, 100), _interval(None, 100)
    ('0.404 to 0.596', '')
    """
    if share is None or not size or not 0 <= share <= 1:
        return ""
    z = 1.959964
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2)
    return f"{middle - half:.3f} to {middle + half:.3f}"


def _confusion(context: Context, notes: Sequence[Mapping[str, Any]]) -> str:
    winner = context.winner.number if context.winner else None
    matrices = [data for data in notes if data.get("confusion")]
    chosen = next((d for d in matrices if d.get("trial") == winner), next(iter(matrices), None))
    if chosen is None:
        return ""
    counts = chosen["confusion"]
    classes = chosen.get("classes") or ()
    if len(classes) != len(counts):
        classes = [str(place) for place in range(len(counts))]
    title = f"Confusion matrix of trial {text(chosen.get('trial'))} on test data"
    caption = f"{title}: rows are true classes, colours are shares of a row."
    rows = [_class_row(counts, classes, place) for place in range(len(counts))]
    columns = ["Class", "Cases", "Found", "Share found", "Most often taken for"]
    by_class = table("Each class on test data", columns, rows)
    return chart(confusion(counts, classes), title, caption) + details("Class by class", by_class)


def _class_row(
    counts: Sequence[Sequence[int]], classes: Sequence[str], place: int
) -> list[Cell | str]:
    row = counts[place]
    total, right = sum(row), row[place]
    wrong = {other: count for other, count in enumerate(row) if other != place and count}
    worst = max(wrong, key=lambda other: wrong[other], default=None)
    share = right / total if total else math.nan
    return [
        str(classes[place]),
        Cell(f"{total:,}", total),
        Cell(f"{right:,}", right),
        Cell(number(share), share),
        "" if worst is None else f"{classes[worst]} ({wrong[worst]:,})",
    ]


def _named(data: Mapping[str, Any]) -> str:
    architecture = data.get("architecture")
    return architecture_text(architecture) if isinstance(architecture, Mapping) else ""


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment else ""
