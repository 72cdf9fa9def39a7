"""Cell: the search of one strategy with one seed."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import asdict, dataclass
from typing import Any

from archloom.errors import RunError


@dataclass(frozen=True)
class Cell:
    """How one search went.

    `path` holds a step each time that the best one known changed: the budget spent by then, its
    searched and its reported value, and whether it is the table's best. `work` is the budget spent
    in all; `trials` the architectures proposed, `rejected` those among them that the table has not;
    `ask_ms` and `ask_ms_late` the mean time of an `ask`, of all and of the last tenth.

    >>> cell = Cell("random", 0, ((1, 0.8, 0.79, False), (4, 0.9, 0.88, True)), 6, 6, 0, 0.1, 0.1)
    >>> cell.at(3), cell.at(6), cell.found_at
    ((0.8, 0.79), (0.9, 0.88), 4)
    """

    strategy: str
    seed: int
    path: tuple[tuple[float, float, float, bool], ...]
    work: float
    trials: int
    rejected: int
    ask_ms: float
    ask_ms_late: float

    def at(self, budget: float) -> tuple[float, float]:
        """Give the searched and reported value of the best one known then, NaN before the first."""
        place = bisect_right([step[0] for step in self.path], budget * (1 + 1e-9))
        return self.path[place - 1][1:3] if place else (math.nan, math.nan)

    def found(self, budget: float) -> bool:
        """Whether the best one known then is the table's best."""
        place = bisect_right([step[0] for step in self.path], budget * (1 + 1e-9))
        return bool(place) and self.path[place - 1][3]

    @property
    def found_at(self) -> float | None:
        """The budget spent when the table's best became the best one known, None if it did not."""
        return next((step[0] for step in self.path if step[3]), None)

    def to_json(self) -> str:
        """Give one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Cell:
        """Read what `to_json` gave. Raises `RunError` for anything else."""
        try:
            data: dict[str, Any] = json.loads(line)
            data["path"] = tuple(
                (float(spent), float(score), float(told), bool(best))
                for spent, score, told, best in data["path"]
            )
            return cls(**data)
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(f"A line of results cannot be read ({error}): {line[:80]!r}.") from error
