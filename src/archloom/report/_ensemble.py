"""The section about what was combined to predict with, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archloom.report._context import Context
from archloom.report._format import architecture_text, number
from archloom.report._html import Cell, facts, paragraph, section, table

_TOPICS = {
    "ensemble": "Ensemble",
    "weights": "Weights",
    "tta": "Test-time augmentation",
    "temperature": "Temperature",
    "threshold": "Decision threshold",
}


def ensemble(context: Context) -> str:
    """What an ensemble stage chose to predict with: members, scores, reasons."""
    note = context.study.note("ensemble")
    if note is None:
        return ""
    sort = "samples by " if "predictions" in note["chosen_on"] else ""
    remark = (
        f"Chosen: {note['reason']}. All of it was decided on {note['samples']:,} "
        f"{sort}{note['chosen_on']}; test data had no say."
    )
    parts = [
        paragraph(remark),
        table("Members and their weights", _MEMBERS, _members(context, note)),
        table("Validation scores", ["What predicts", "Metric", "Score"], _scores(note)),
        facts([*_remarks(note), *_distilled(context, note)]),
    ]
    return section("ensemble", "Ensemble", *parts)


_MEMBERS = ["Trial", "Weight", "Validation", "Architecture"]


def _members(context: Context, note: Mapping[str, Any]) -> list[Sequence[Cell | str]]:
    objective = context.study.objectives[0].metric
    rows: list[Sequence[Cell | str]] = []
    for member, weight in zip(note["members"], note["weights"], strict=True):
        trial = context.study[member]
        score = trial.metrics.get(objective, math.nan)
        shown = architecture_text(trial.architecture)
        rows.append((str(member), Cell(number(weight), weight), Cell(number(score), score), shown))
    return rows


def _scores(note: Mapping[str, Any]) -> list[Sequence[Cell | str]]:
    rows: list[Sequence[Cell | str]] = []
    for name, score in note["scores"].items():
        what, _, metric = name.rpartition(" ")
        rows.append((_WHAT.get(what, what), metric, Cell(number(score), score)))
    return rows


_WHAT = {
    "single": "the best single model",
    "ensemble": "the ensemble",
    "checked single": "the best of one half of the samples, on the other half",
    "checked ensemble": "an ensemble chosen on one half of the samples, on the other half",
}


def _remarks(note: Mapping[str, Any]) -> list[tuple[str, str]]:
    remarks = [(_TOPICS.get(name, name), text) for name, text in note["remarks"].items()]
    if len(note["views"]) > 1:
        remarks.append(("Views", ", ".join(note["views"])))
    if note["threshold"]:
        remarks.append(("Thresholds", ", ".join(number(cut) for cut in note["threshold"])))
    return remarks


def _distilled(context: Context, note: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what one network in place of all members costs, where one was trained."""
    study, combined = context.study, context.study.trials(note["stage"])
    teacher = combined[note["number"]].number if note["used"] else note["members"][0]
    metric = study.objectives[0].metric
    return [
        (
            "Distilled",
            f"Trial {trial.number}, one network that learnt what the ensemble predicts: {metric} "
            f"{number(trial.metrics.get(metric))} on validation data, where the ensemble has "
            f"{number(study[teacher].metrics.get(metric))}.",
        )
        for trial in study.trials("distill")
        if trial.parent == teacher and trial.state.scored
    ]
