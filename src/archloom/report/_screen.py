"""The section about a screening: which cheap scores earned trust, and what they handed on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archloom.architecture import Architecture
from archloom.report._context import Context
from archloom.report._format import architecture_text, duration, number
from archloom.report._html import Cell, paragraph, section, table


def screening(context: Context) -> str:
    """Each score's rank correlation with training on this task, and the architectures chosen."""
    parts = [part for data in _notes(context) for part in _parts(context, data)]
    return section("screening", "Screening", *parts) if parts else ""


def _notes(context: Context) -> list[Mapping[str, Any]]:
    """Give the last word on each screening of the run."""
    found = {noted.data["stage"]: noted.data for noted in context.study.notes("screened")}
    return list(found.values())


def _parts(context: Context, note: Mapping[str, Any]) -> list[str]:
    said = note["reason"][0].upper() + note["reason"][1:]
    text = f"{said}. Rating {note['pool']} architectures took {duration(note['seconds'])}."
    caption = (
        f"Trust in cheap scores: rank correlation with {note['objective']} of the "
        f"{note['checked']} architectures that were trained for it. Few are trained, so chance is "
        f"given, too: how often a random order ranks as well."
        if note["checked"]
        else "Cheap scores that were trusted unchecked"
    )
    parts = [paragraph(text), table(caption, _COLUMNS, _rows(note))]
    if note["first"]:
        parts.append(table("Handed on, best first", _HANDED, _handed(context, note)))
    return parts


_COLUMNS = ["Score", "Spearman", "Kendall", "Chance", "Weight", "Verdict"]
_HANDED = ["Place", "Trial", "Score", "Architecture"]


def _rows(note: Mapping[str, Any]) -> list[Sequence[Cell | str]]:
    order = sorted(note["trust"], key=lambda trust: -(trust["spearman"] or 0.0))
    return [
        (trust["score"], *(_cell(trust[name]) for name in _NUMBERS), trust["reason"])
        for trust in order
    ]


_NUMBERS = ("spearman", "kendall", "chance", "weight")


def _cell(value: float | None) -> Cell:
    return Cell(number(value), math.nan if value is None else value)


def _handed(context: Context, note: Mapping[str, Any]) -> list[Sequence[Cell | str]]:
    """Give a row for each architecture handed on, with how it fared where it was tried since."""
    trials = {
        trial.architecture.key: trial
        for trial in context.study.trials()
        if trial.state.scored and trial.effort == 1.0
    }
    rows: list[Sequence[Cell | str]] = []
    for place, data in enumerate(note["first"], start=1):
        architecture = Architecture.from_json(data)
        trial = trials.get(architecture.key)
        value = None if trial is None else trial.metrics.get(note["objective"])
        tried = "" if trial is None else str(trial.number)
        shown = architecture_text(architecture)
        rows.append((Cell(str(place), place), tried, _cell(value), shown))
    return rows
