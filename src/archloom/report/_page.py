"""The report of a run: one HTML file that needs nothing else and opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from torch import nn

from archloom.report._best import best_architecture
from archloom.report._context import Context, Section, report_path, run_folder
from archloom.report._data import data_checks
from archloom.report._document import document, write_document
from archloom.report._ensemble import ensemble
from archloom.report._front import front
from archloom.report._headline import headline
from archloom.report._one_shot import one_shot
from archloom.report._rerun import commands, settings
from archloom.report._screen import screening
from archloom.report._sections import errors, learning, price, progress, ranking
from archloom.report._tested import test_results
from archloom.study import Study

DEFAULT_SECTIONS: Final[tuple[Section, ...]] = (
    headline,
    data_checks,
    ranking,
    screening,
    one_shot,
    learning,
    progress,
    price,
    front,
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
    write_document(target, document(context.title, body))
    return target
