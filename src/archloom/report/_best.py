"""The section about the best architecture: drawing, choices, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from torch import nn

from archloom.report._context import Context
from archloom.report._drawing import MAX_LAYERS, colour_key, draw, shape_text
from archloom.report._format import value_text
from archloom.report._html import Cell, code, details, key, paragraph, section, table
from archloom.report._layers import Layer, layers


def best_architecture(context: Context) -> str:
    """The winner: its drawing, its choices, its JSON."""
    best = context.winner
    if best is None:
        return ""
    values = [(label, value_text(value)) for label, value in best.architecture.items()]
    title = f"The architecture of trial {best.number}"
    parts = [
        "" if context.model is None else _drawing(context.model, context.example, title),
        table(title, ["Choice", "Value"], values),
        details("As JSON", code(json.dumps(best.architecture.to_json(), indent=2), "JSON")),
    ]
    return section("architecture", "Best architecture", *parts)


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
