"""Pieces of HTML: tables, charts, lists; every text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from archloom.report._figure import as_json


@dataclass(frozen=True)
class Cell:
    """A table cell: its text, and the number to sort by where the text is not that."""

    text: str
    order: float | None = None
    title: str | None = None


def section(name: str, heading: str, *parts: str) -> str:
    """Give a `<section>` with a heading; empty parts are left out.

    >>> section("a", "A & B", "<p>text</p>")
    '<section id="a" aria-labelledby="a-h"><h2 id="a-h">A &amp; B</h2><p>text</p></section>'
    """
    inside = "".join(parts)
    return (
        f'<section id="{name}" aria-labelledby="{name}-h">'
        f'<h2 id="{name}-h">{escape(heading)}</h2>{inside}</section>'
    )


def paragraph(text: str, kind: str | None = None) -> str:
    """Give a `<p>` of plain text, or nothing for no text."""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{escape(text)}</p>" if text else ""


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell | str]],
    *,
    sortable: bool = False,
) -> str:
    """Give a table that scrolls by itself where it is too wide; cells with an order are numbers.

    The first cell of a row is its header.
    """
    lines = list(rows)
    numbers = {
        place
        for line in lines[:1]
        for place, cell in enumerate(line)
        if isinstance(cell, Cell) and cell.order is not None
    }
    heads = "".join(_head(name, sortable, place in numbers) for place, name in enumerate(columns))
    body = "".join(f"<tr>{''.join(_cells(line))}</tr>" for line in lines)
    mark = ' class="sortable"' if sortable else ""
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f"<table{mark}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _head(name: str, sortable: bool, number: bool) -> str:
    inside = f'<button type="button">{escape(name)}</button>' if sortable else escape(name)
    mark = ' class="number"' if number else ""
    return f'<th scope="col"{mark}>{inside}</th>'


def _cells(row: Sequence[Cell | str]) -> Iterable[str]:
    for place, raw in enumerate(row):
        cell = raw if isinstance(raw, Cell) else Cell(raw)
        marks = "" if cell.order is None else f' class="number" data-order="{cell.order!r}"'
        marks += "" if cell.title is None else f' title="{escape(cell.title)}"'
        tag = "th" if place == 0 else "td"
        marks += ' scope="row"' if place == 0 else ""
        yield f"<{tag}{marks}>{escape(cell.text)}</{tag}>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Give a description list of the pairs that have a text."""
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in pairs if text
    )
    return f'<dl class="facts">{inside}</dl>' if inside else ""


def tiles(pairs: Iterable[tuple[str, str, str]]) -> str:
    """Give the large figures of the headline: name, value, remark."""
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd><strong>{escape(value)}</strong>"
        f"<small>{escape(remark)}</small></dd></div>"
        for name, value, remark in pairs
    )
    return f'<dl class="tiles">{inside}</dl>'


def chart(figure: go.Figure, label: str, caption: str = "") -> str:
    """Give a chart that the page's script draws; `label` is what a screen reader says."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="chart"><div class="plot" role="img" aria-label="{escape(label)}"></div>'
        f'<script type="application/json">{as_json(figure)}</script>{below}</figure>'
    )


def code(text: str, label: str) -> str:
    """Give a block of code that scrolls by itself."""
    return f'<pre tabindex="0" aria-label="{escape(label)}"><code>{escape(text)}</code></pre>'


def details(summary: str, inside: str) -> str:
    """Give a part that is opened by a click."""
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"


def key(colours: Mapping[str, str]) -> str:
    """Give the meaning of each colour class as a list."""
    items = "".join(
        f'<li><svg width="12" height="12" aria-hidden="true"><rect class="{name}" width="12" '
        f'height="12" rx="3"/></svg>{escape(meaning)}</li>'
        for name, meaning in colours.items()
    )
    return f'<ul class="key">{items}</ul>' if items else ""
