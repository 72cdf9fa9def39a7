"""The report of a run: one HTML file that needs nothing else and opens offline."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from plotly.offline import get_plotlyjs
from torch import nn

from archloom.errors import RunError
from archloom.report._best import best_architecture
from archloom.report._context import Context, Section, report_path, run_folder
from archloom.report._data import data_checks
from archloom.report._ensemble import ensemble
from archloom.report._headline import headline
from archloom.report._one_shot import one_shot
from archloom.report._rerun import commands, settings
from archloom.report._sections import errors, learning, price, progress, ranking
from archloom.report._tested import test_results
from archloom.study import Study

DEFAULT_SECTIONS: Final[tuple[Section, ...]] = (
    headline,
    data_checks,
    ranking,
    one_shot,
    learning,
    progress,
    price,
    best_architecture,
    ensemble,
    test_results,
    errors,
    settings,
    commands,
)
"""What a report shows, in this order."""


def write_report(
    study: Study,
    path: str | Path,
    *,
    folder: str | Path | None = None,
    title: str | None = None,
    model: nn.Module | None = None,
    example: Any = None,
    sections: Sequence[Section] = DEFAULT_SECTIONS,
) -> Path:
    """Write the study as one HTML file and give its path.

    Works for a run that is going on, failed or never scored a trial. The file appears complete
    or not at all.

    Args:
        path: the file, or a folder (that of the run) for `report.html` inside it.
        folder: the run's folder, for the commands; without one, the folder of the file.
        title: without one, that of the run.
        model: the best architecture's module, to be drawn.
        example: what the model is called with: a tensor, a tuple of positional or a dict of
            keyword arguments; meta tensors will do (`task.example(1)`).
        sections: functions that give parts of the page; add your own after `DEFAULT_SECTIONS`.

    Raises:
        RunError: when the file cannot be written.

    >>> import tempfile
    >>> write_report(Study(), tempfile.mkdtemp()).name
    'report.html'
    """
    target = report_path(path)
    name = title or study.header.get("title") or "Architecture search"
    run = run_folder(target) if folder is None else str(folder)
    context = Context(study, str(name), run, model, example)
    body = "".join(section(context) for section in sections)
    _write(target, _page(context, body))
    return target


def _page(context: Context, body: str) -> str:
    static = files("archloom.report") / "static"
    style = (static / "page.css").read_text(encoding="utf-8")
    script = (static / "page.js").read_text(encoding="utf-8")
    plotly = f"<script>{get_plotlyjs()}</script>" if 'class="chart"' in body else ""
    made = time.strftime("%Y-%m-%d %H:%M")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(context.title)}</title><style>{style}</style></head><body>"
        f'<header><h1>{escape(context.title)}</h1><p>Report of {made}</p><nav aria-label="'
        f'Sections"></nav></header><main>{body}</main>'
        "<footer>Written by archloom. This file needs no network.</footer>"
        "<noscript><p>The charts need JavaScript.</p></noscript>"
        f"{plotly}<script>{script}</script></body></html>\n"
    )


def _write(target: Path, text: str) -> None:
    """Write beside the target, then move: nobody sees half a page."""
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
