"""What a test result rests on: the confusion matrix, counts of labels, predicted numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archloom.report._confusion import confusion
from archloom.report._format import number, text
from archloom.report._html import Cell, chart, details, table
from archloom.report._predicted import predicted_against_true

_MOST_CHARTS = 6


def drawn_evidence(data: Mapping[str, Any]) -> str:
    """Draw all that a test result holds besides its metrics, of every part of a mixed one."""
    where = f"of trial {text(data.get('trial'))} on test data"
    parts = data.get("parts")
    named = parts.items() if isinstance(parts, Mapping) else ()
    found = [_evidence(data, where, ""), *(_evidence(one, where, name) for name, one in named)]
    return "".join([*found, _details(data.get("details"), where)])


def _evidence(data: Mapping[str, Any], where: str, part: str) -> str:
    prefix = f"{part}: " if part else ""
    return (
        _classes(data, where, prefix) + _labels(data, where, prefix) + _numbers(data, where, prefix)
    )


def _classes(data: Mapping[str, Any], where: str, prefix: str) -> str:
    counts = data.get("confusion")
    if not counts:
        return ""
    classes = data.get("classes") or ()
    if len(classes) != len(counts):
        classes = [str(place) for place in range(len(counts))]
    title = f"{prefix}Confusion matrix {where}"
    caption = f"{title}: rows are true classes, colours are shares of a row."
    rows = [_class_row(counts, classes, place) for place in range(len(counts))]
    columns = ["Class", "Cases", "Found", "Share found", "Most often taken for"]
    by_class = table(f"{prefix}Each class on test data", columns, rows)
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


def _labels(data: Mapping[str, Any], where: str, prefix: str) -> str:
    names, counts = data.get("labels") or (), data.get("counts") or ()
    if not names or len(names) != len(counts):
        return ""
    rows = [_label_row(name, count) for name, count in zip(names, counts, strict=True)]
    columns = ["Label", "Cases", "Found", "Share found", "False alarms", "Share of alarms right"]
    return table(f"{prefix}Each label {where}, at a probability of 0.5", columns, rows)


def _label_row(name: str, counts: Sequence[int]) -> list[Cell | str]:
    hit, alarm, missed, _ = counts
    found = hit / (hit + missed) if hit + missed else math.nan
    precise = hit / (hit + alarm) if hit + alarm else math.nan
    return [
        str(name),
        Cell(f"{hit + missed:,}", hit + missed),
        Cell(f"{hit:,}", hit),
        Cell(number(found), found),
        Cell(f"{alarm:,}", alarm),
        Cell(number(precise), precise),
    ]


def _numbers(data: Mapping[str, Any], where: str, prefix: str) -> str:
    names, pairs = data.get("columns") or (), data.get("pairs") or ()
    parts = []
    for name, (predicted, true) in list(zip(names, pairs, strict=False))[:_MOST_CHARTS]:
        title = f"{prefix}Predicted and true {name} {where}"
        caption = f"{title}: each dot is a sample, and on the line the prediction is right."
        parts.append(chart(predicted_against_true(predicted, true, str(name)), title, caption))
    return "".join(parts)


def _details(found: Any, where: str) -> str:
    """Show metrics named METRIC[COLUMN] as a table of columns by metrics."""
    if not isinstance(found, Mapping) or not found:
        return ""
    cells: dict[str, dict[str, float]] = {}
    for name, value in found.items():
        metric, _, column = str(name).removesuffix("]").partition("[")
        part, _, metric = metric.rpartition(".")
        cells.setdefault(f"{part}.{column}" if part else column, {})[metric] = value
    metrics = list(dict.fromkeys(metric for row in cells.values() for metric in row))
    rows: list[list[Cell | str]] = [
        [name, *(Cell(number(v), v) for v in (row.get(m, math.nan) for m in metrics))]
        for name, row in cells.items()
    ]
    return table(f"Each label or number {where}", ["Name", *metrics], rows)
