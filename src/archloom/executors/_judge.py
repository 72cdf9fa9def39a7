"""Run an estimator on a candidate and say how it ended."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from archloom.errors import ArchloomError, ConfigError, RunError, Stopped
from archloom.estimators import checked_metrics
from archloom.trial import State

Verdict = tuple[State, Mapping[str, float], str | None]


def judged(evaluate: Callable[[], object], folder: Path) -> Verdict:
    """Give (state, metrics, error text) of one evaluation in the run of that folder.

    Raises:
        ConfigError: as it comes: the settings are wrong, not this candidate.
        RunError: as it comes, and when the disk is full.
    """
    try:
        metrics = checked_metrics(evaluate())
    except Stopped as stopped:
        return State.STOPPED, checked_metrics(stopped.metrics) if stopped.metrics else {}, None
    except (RunError, ConfigError):
        raise
    except Exception as error:  # the one place where a trial's failure becomes a record
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise RunError(
                f"The disk of {str(folder)!r} is full. Everything recorded is safe: "
                f"make room, then run `archloom resume {folder}`."
            ) from error
        return State.FAILED, {}, _as_text(error)
    return State.DONE, metrics, None


def _as_text(error: Exception) -> str:
    if isinstance(error, ArchloomError):
        return f"{type(error).__name__}: {error}"
    lines = traceback.format_exception(error)
    return "".join(lines[-12:]).strip()
