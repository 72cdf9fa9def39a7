"""Objective and Constraint: which metric counts, in which direction, within which limits."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from archloom.errors import ConfigError

Direction = Literal["max", "min"]

_SMALLER_IS_BETTER = re.compile(
    r"(^|[_.])(loss|error|mae|mse|rmse|params|flops|latency|latency_ms|seconds|memory)([_.]|$)"
)
_LARGER_IS_BETTER = re.compile(r"(accuracy|auc|average_precision|f1|r2|kappa)$")


@dataclass(frozen=True)
class Objective:
    """A metric and the direction in which it gets better.

    >>> Objective("accuracy").better(0.9, 0.8)
    True
    >>> Objective.parse("min params")
    Objective(metric='params', direction='min')
    """

    metric: str
    direction: Direction = "max"

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise ConfigError(
                f"An objective's direction must be 'max' or 'min', got {self.direction!r}."
            )

    @classmethod
    def parse(cls, text: str | Objective) -> Objective:
        """Read `"accuracy"`, `"min params"` or `"max auc"`.

        Without a direction, names of losses, errors and costs are minimised, all others maximised.
        A target's name in front does not count (`loss.accuracy`), nor does a column's in brackets
        (`auc[error]`).
        """
        if isinstance(text, Objective):
            return text
        match text.split():
            case [metric]:
                return cls(metric, _direction(metric))
            case [("max" | "min") as direction, metric]:
                return cls(metric, direction)
            case _:
                raise ConfigError(
                    f"An objective is a metric, or 'max METRIC' or 'min METRIC', got {text!r}."
                )

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"

    def better(self, first: float, second: float) -> bool:
        """Say whether `first` beats `second`; a NaN beats nothing."""
        return self.gain(first) > self.gain(second)

    def gain(self, value: float) -> float:
        """Turn a value into one where larger is better; NaN becomes minus infinity."""
        if math.isnan(value):
            return -math.inf
        return value if self.direction == "max" else -value


def _direction(metric: str) -> Direction:
    name = metric.partition("[")[0]
    smaller = _SMALLER_IS_BETTER.search(name) and not _LARGER_IS_BETTER.search(name)
    return "min" if smaller else "max"


def dominates(
    first: Mapping[str, float], second: Mapping[str, float], objectives: tuple[Objective, ...]
) -> bool:
    """Say whether `first` is nowhere worse than `second` and somewhere better (Pareto).

    >>> both = (Objective("accuracy"), Objective("params", "min"))
    >>> dominates({"accuracy": 0.9, "params": 5}, {"accuracy": 0.9, "params": 7}, both)
    True
    """
    gains = [(o.gain(first[o.metric]), o.gain(second[o.metric])) for o in objectives]
    return all(a >= b for a, b in gains) and any(a > b for a, b in gains)


_COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_NUMBER = r"[+-]?(?:(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
_CONSTRAINT = re.compile(rf"^\s*([A-Za-z_][\w.]*)\s*(<=|>=|<|>)\s*({_NUMBER})\s*$")


@dataclass(frozen=True)
class Constraint:
    """A limit on a metric that an architecture must keep to be tried at all.

    >>> limit = Constraint.parse("params <= 100_000")
    >>> limit.holds({"params": 9962}), str(limit)
    (True, 'params <= 100000')
    """

    metric: str
    comparison: Literal["<=", ">=", "<", ">"]
    limit: float

    @classmethod
    def parse(cls, text: str | Constraint) -> Constraint:
        """Read `"params <= 100_000"`. Raises `ConfigError` when the text is not of that form."""
        if isinstance(text, Constraint):
            return text
        found = _CONSTRAINT.match(text)
        metric, comparison, number = found.groups() if found else ("", "", "inf")
        limit = float(number.replace("_", "").replace(",", ""))
        if not math.isfinite(limit):
            raise ConfigError(
                f"A constraint reads METRIC <= NUMBER (or >=, <, >), "
                f"such as 'params <= 100_000', got {text!r}."
            )
        return cls(metric, comparison, limit)  # type: ignore[arg-type]

    def holds(self, metrics: Mapping[str, float]) -> bool:
        """Say whether the metric keeps the limit. Raises `KeyError` when it is missing."""
        return bool(_COMPARE[self.comparison](metrics[self.metric], self.limit))

    def __str__(self) -> str:
        number = int(self.limit) if float(self.limit).is_integer() else self.limit
        return f"{self.metric} {self.comparison} {number}"
