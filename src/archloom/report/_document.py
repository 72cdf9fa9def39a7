"""One HTML file that needs nothing else, and how it is written."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from html import escape
from importlib.resources import files
from pathlib import Path

from plotly.offline import get_plotlyjs

from archloom.errors import RunError


def document(title: str, body: str) -> str:
    """Give a whole page: style, script and, where there are charts, their library inside."""
    static = files("archloom.report") / "static"
    style = (static / "page.css").read_text(encoding="utf-8")
    script = (static / "page.js").read_text(encoding="utf-8")
    plotly = f"<script>{get_plotlyjs()}</script>" if 'class="chart"' in body else ""
    made = time.strftime("%Y-%m-%d %H:%M")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p>Report of {made}</p><nav aria-label="'
        f'Sections"></nav></header><main>{body}</main>'
        "<footer>Written by archloom. This file needs no network.</footer>"
        "<noscript><p>The charts need JavaScript.</p></noscript>"
        f"{plotly}<script>{script}</script></body></html>\n"
    )


def write_document(target: Path, text: str) -> None:
    """Write beside the target, then move: nobody sees half a page.

    Raises:
        RunError: when the file cannot be written.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise RunError(
            f"The report cannot be written to {str(target)!r} ({error.strerror}): make room, or "
            f"give another file. The run itself is not touched."
        ) from error
