"""What a section of the page gets to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from archloom.journal import JOURNAL_FILE
from archloom.report._table import Row, leaderboard, winner
from archloom.study import Study
from archloom.trial import Trial


@dataclass(frozen=True)
class Context:
    """A study and what is known beside it. `folder` is the run's, as the user would type it.

    `model` is the best architecture's module and `example` an input for it; both may be missing.
    """

    study: Study
    title: str
    folder: str
    model: nn.Module | None = None
    example: Any = None

    @cached_property
    def rows(self) -> list[Row]:
        """The whole leaderboard."""
        return leaderboard(self.study)

    @cached_property
    def winner(self) -> Trial | None:
        """The trial whose model the run saved, else the best one; None without a score."""
        return winner(self.study)

    def header(self, *path: str) -> Any:
        """Give an entry of the run's settings, None where any step is missing.

        >>> Context(Study(), "", "").header("task", "name") is None
        True
        """
        found: Any = self.study.header
        for name in path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(name)
        return found


class Section(Protocol):
    """A part of the page: a function from the context to HTML, "" to be left out.

    What it gives is put into the page as it is: texts must be escaped (`html.escape`).
    """

    def __call__(self, context: Context, /) -> str:
        """Give the HTML of the section."""
        ...


def report_path(path: str | Path) -> Path:
    """Give the file to write: `report.html` inside, where the path is a folder."""
    path = Path(path)
    return path / "report.html" if path.is_dir() else path


def run_folder(target: Path) -> str:
    """Give the run's folder as a command should name it, `RUN` where the page lies elsewhere."""
    return str(target.parent) if (target.parent / JOURNAL_FILE).is_file() else "RUN"
