"""SkipCount: stop a search when a derived cell gathers skip connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.oneshot._collapse import Finding, Verdict, View
from archloom.oneshot._idle import Idle, count_idle, idle_options

SKIP_COUNT: Final = "skips"


@dataclass(frozen=True)
class SkipCount:
    """Stop when a cell of the derived architecture has `limit` skip connections or more.

    DARTS+ (arXiv 1909.06035), section 3.2, criterion 1, whose limit is 2. The search falls back
    to the last epoch whose cells all had fewer; where there was none it goes on, and this is
    said. A cell is what has its labels' first part in common (`normal.node2.0.op`: `normal`).

    Deviations: the paper keeps the architecture at which it stopped, and looks at the normal cell
    only; `cells` names those to look at, all without it.

    >>> SkipCount(limit=3).cells
    ()
    """

    limit: int = 2
    cells: tuple[str, ...] = ()
    after: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(self.cells))
        if self.limit < 1:
            raise ConfigError(f"limit is a number of skip connections from 1, got {self.limit!r}.")

    def look(self, view: View) -> Finding:
        """Count; stop at the limit."""
        if view.derived is None:
            raise ConfigError(
                f"SkipCount looks at the derived architecture, and {type(view.gates).__name__} "
                f"derives none: leave the guard out. What a search over inherited scores finds is "
                f"looked at by the monitor."
            )
        idle = idle_options(view.supernet.space.space, view.supernet)
        cell, most = self._worst(view.derived, idle)
        figures = {SKIP_COUNT: float(most)}
        if most < self.limit or view.epoch <= self.after:
            return Finding(figures)
        where = f"cell {cell!r}" if cell else "the architecture"
        reason = (
            f"The operations derived for {where} have {most} skip connections, and "
            f"{self.limit} are taken as the sign of a collapse"
        )
        healthy = [
            past
            for past in view.past
            if past.architecture is not None
            and self._worst(past.architecture, idle)[1] < self.limit
        ]
        if not healthy:
            said = f"{reason}; no epoch so far had fewer, so the search goes on."
            return Finding(figures, Verdict("warn", said, kind=SKIP_COUNT))
        said = f"{reason}: the search stops with the architecture of epoch {healthy[-1].epoch}."
        return Finding(figures, Verdict("stop", said, healthy[-1].architecture, kind=SKIP_COUNT))

    def _worst(self, architecture: Architecture, idle: Idle) -> tuple[str, int]:
        counts = count_idle(architecture, idle)
        skips = {cell: count.skips for cell, count in counts.items()}
        looked = {cell: n for cell, n in skips.items() if not self.cells or cell in self.cells}
        cell = max(looked, key=lambda name: looked[name], default="")
        return cell, looked.get(cell, 0)
