"""The section about the best architecture: drawing, choices, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from archloom.report._context import Context
from archloom.report._drawing import MAX_LAYERS, colour_key, draw, shape_text
from archloom.report._format import DASH, value_text
from archloom.report._html import Cell, code, details, key, paragraph, section, table
from archloom.report._layers import Layer, layers
from archloom.trial import Trial


def best_architecture(context: Context) -> str:
    """The winner, or one member of it and what the others are: drawing, choices, JSON."""
    best = context.winner
    if best is None:
        return ""
    found = _members(context, best)
    title = f"The architecture of trial {found[0].trial.number}"
    parts = [
        *(paragraph(remark) for remark in _remarks(best, found)),
        "" if context.model is None else _drawing(context.model, context.example, title),
        _choices(found, title),
        details("As JSON", code(json.dumps(_json(found), indent=2), "JSON")),
    ]
    return section("architecture", "Best architecture", *parts)


@dataclass(frozen=True)
class _Member:
    """A trial whose architecture is in the winner's model, and its share of what that predicts."""

    trial: Trial
    weight: float


def _members(context: Context, best: Trial) -> list[_Member]:
    """Give the members of an ensemble, the one that is drawn first; else the winner itself."""
    note = context.study.note("ensemble")
    if note is None or best.stage != note["stage"] or not note["used"]:
        return [_Member(best, 1.0)]
    pairs = zip(note["members"], note["weights"], strict=True)
    return [_Member(context.study[number], weight) for number, weight in pairs]


def _remarks(best: Trial, found: Sequence[_Member]) -> list[str]:
    """Say what the drawing shows where the winner is more than the network that is drawn."""
    drawn, *others = found
    remarks = []
    if others:
        listed = ", ".join(f"trial {one.trial.number} ({one.weight:.3g})" for one in others)
        remarks.append(
            f"The winner, trial {best.number}, is an ensemble of {len(found)}. Drawn is one member "
            f"of it, trial {drawn.trial.number}, whose weight is {drawn.weight:.3g}; the others "
            f"and their weights are {listed}."
        )
    elif drawn.trial is not best:
        remarks.append(
            f"The winner, trial {best.number}, predicts with the model of trial "
            f"{drawn.trial.number}; what is added to it stands under Ensemble."
        )
    folds = [int(one.trial.metrics["folds"]) for one in found if "folds" in one.trial.metrics]
    if folds:
        which = "Each member was" if others else "It was"
        few, most = min(folds), max(folds)
        count = str(most) if few == most and len(folds) == len(found) else f"up to {most}"
        remarks.append(
            f"{which} cross-validated: {count} networks of the same architecture, one for each "
            f"fold, whose predictions are averaged."
        )
    return remarks


def _choices(found: Sequence[_Member], title: str) -> str:
    """Give the choices of each member side by side."""
    labels = dict.fromkeys(label for one in found for label in one.trial.architecture)
    rows = [(label, *(_value(one.trial.architecture, label) for one in found)) for label in labels]
    if len(found) == 1:
        return table(title, ["Choice", "Value"], rows)
    heads = [f"Trial {one.trial.number}, weight {one.weight:.3g}" for one in found]
    heads[0] += " (drawn)"
    return table("The architectures of all members", ["Choice", *heads], rows)


def _value(architecture: Mapping[str, Any], label: str) -> str:
    return value_text(architecture[label]) if label in architecture else DASH


def _json(found: Sequence[_Member]) -> Any:
    if len(found) == 1:
        return found[0].trial.architecture.to_json()
    return [
        {
            "trial": one.trial.number,
            "weight": one.weight,
            "architecture": one.trial.architecture.to_json(),
        }
        for one in found
    ]


def _drawing(model: nn.Module, example: Any, title: str) -> str:
    found = layers(model, example)
    if not found:
        return paragraph("The model has no layers to draw.")
    ran = any(layer.shape is not None for layer in found)
    remark = (
        "Read from top to bottom. Grey text: output shape without the batch axis, parameters."
        if ran
        else "The model was not run here, so its layers are listed in the order in which they are "
        "registered, without shapes; the arrows do not show its branches."
    )
    if len(found) > MAX_LAYERS:
        remark += f" Drawn: the first {MAX_LAYERS} of {len(found):,} layers."
    return (
        f'<figure><div class="wide" role="region" tabindex="0" aria-label="Drawing">'
        f"{draw(found, title)}</div><figcaption>{remark}</figcaption>"
        f"{key(dict(colour_key(found)))}</figure>{details('Layers as a table', _listing(found))}"
    )


def _listing(found: Sequence[Layer]) -> str:
    total = sum(layer.params for layer in found)
    rows: list[Sequence[Cell | str]] = [
        (
            layer.name,
            layer.kind,
            layer.detail,
            shape_text(layer.shape),
            Cell(f"{layer.params:,}", layer.params),
        )
        for layer in found[:MAX_LAYERS]
    ]
    columns = ["Name", "Kind", "Settings", "Output", "Parameters"]
    return table(f"Layers, {total:,} parameters together", columns, rows)
