"""Expressions: how a number follows from the values of choices."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Final, TypeAlias, cast

import numpy as np

from archloom.space import Domain, Floats

Number: TypeAlias = "int | float"

_POINTS: Final = 1024
"""At how many combinations of options an expression is tried to find its maximum."""


@dataclass(frozen=True)
class Leaf:
    """The number that a choice decides."""

    label: str
    domain: Domain

    @cached_property
    def own(self) -> Number:
        """The largest number that the choice may give."""
        return max(self.options(2))

    @property
    def whole(self) -> bool:
        """Whether all options are ints."""
        return all(isinstance(value, int) for value in self.options(2))

    @property
    def finite(self) -> bool:
        """Whether the options can be listed."""
        return not isinstance(self.domain, Floats)

    def options(self, points: int | None = None) -> tuple[Number, ...]:
        """Give the options in the order of the choice; of a range at most `points`."""
        return cast("tuple[Number, ...]", tuple(self.domain.values(points)))

    def leaves(self) -> dict[str, Leaf]:
        """Give the choice by its label."""
        return {self.label: self}

    def at(self, values: Mapping[str, Any]) -> Any:
        """Give the number under those values of the choices."""
        return values[self.label]


@dataclass(frozen=True)
class Applied:
    """What is computed of other expressions."""

    verb: str
    parts: tuple[Expression, ...]

    @cached_property
    def own(self) -> Number:
        """The largest number that comes out, over all options of all choices."""
        options = {label: leaf.options(_POINTS) for label, leaf in self.leaves().items()}
        return cast("Number", largest(self, options))

    @property
    def whole(self) -> bool:
        """Whether ints come out."""
        if self.verb in _ROUNDING:
            return len(self.parts) == 1
        return self.verb != "truediv" and all(_whole(part) for part in self.parts)

    def leaves(self) -> dict[str, Leaf]:
        """Give the choices that take part, by label."""
        found: dict[str, Leaf] = {}
        for part in self.parts:
            found |= leaves_of(part)
        return found

    def at(self, values: Mapping[str, Any]) -> Any:
        """Give what comes out under those values of the choices."""
        return _VERBS[self.verb](*(value_of(part, values) for part in self.parts))

    def _along(self, grid: Mapping[str, list[Number]]) -> Any:
        """Give what comes out at every combination of the grid."""
        columns = [
            part._along(grid)
            if isinstance(part, Applied)
            else np.asarray(grid[part.label] if isinstance(part, Leaf) else part)
            for part in self.parts
        ]
        return _VECTOR_VERBS.get(self.verb, _VERBS[self.verb])(*columns)


Expression: TypeAlias = "Leaf | Applied | int | float"


def value_of(expression: Expression, values: Mapping[str, Any]) -> Any:
    """Give an expression's number under those values of the choices."""
    return expression.at(values) if isinstance(expression, Leaf | Applied) else expression


def leaves_of(expression: Expression) -> dict[str, Leaf]:
    """Give the choices that an expression depends on, by label."""
    return expression.leaves() if isinstance(expression, Leaf | Applied) else {}


def own_of(expression: Expression) -> Number:
    """Give the largest number of an expression."""
    return expression.own if isinstance(expression, Leaf | Applied) else expression


def largest(expression: Expression, options: Mapping[str, Sequence[Number]]) -> Any:
    """Give the largest number of an expression where the choices have those options.

    Found by trying up to 1,024 combinations: all of them, or where there are more the smallest and
    the largest options and some between, which is exact for monotone arithmetic.
    """
    labels = list(leaves_of(expression))
    if all(len(options[label]) == 1 for label in labels):
        return value_of(expression, {label: options[label][0] for label in labels})
    grid = dict(zip(labels, _combinations([options[label] for label in labels]), strict=True))
    if isinstance(expression, Leaf):
        return max(grid[expression.label])
    assert isinstance(expression, Applied)
    with np.errstate(all="ignore"):
        best = int(np.nanargmax(np.asarray(expression._along(grid), dtype=float)))
    return expression.at({label: column[best] for label, column in grid.items()})


def _whole(expression: Expression) -> bool:
    if isinstance(expression, Leaf | Applied):
        return expression.whole
    return isinstance(expression, int)


def _combinations(options: list[Sequence[Number]]) -> list[list[Number]]:
    """Give combinations of options of several choices: a column of numbers for each choice."""
    points = int(_POINTS ** (1 / len(options)) + 1e-9)
    if points >= 2:
        rows: Iterable[tuple[Number, ...]] = product(*(_thinned(o, points) for o in options))
    else:
        rows = _edges([_thinned(o, 2) for o in options])
    return [list(column) for column in zip(*rows, strict=True)]


def _thinned(options: Sequence[Number], points: int) -> list[Number]:
    """Give up to `points` options from the smallest to the largest, both included."""
    values = sorted(options)
    if len(values) <= points:
        return values
    last = len(values) - 1
    return [values[round(number * last / (points - 1))] for number in range(points)]


def _edges(ends: list[list[Number]]) -> Iterator[tuple[Number, ...]]:
    """Give the combinations with all small, all large, and one unlike all others."""
    for side in (0, -1):
        row = [end[side] for end in ends]
        yield tuple(row)
        for place, end in enumerate(ends):
            yield (*row[:place], end[-1 - side], *row[place + 1 :])


_ROUNDING: Final = frozenset({"round", "floor", "ceil", "trunc"})
_VERBS: Final[Mapping[str, Callable[..., Any]]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "neg": operator.neg,
    "abs": operator.abs,
    "min": min,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
}
_VECTOR_VERBS: Final[Mapping[str, Callable[..., Any]]] = {
    "min": np.minimum,
    "pow": np.float_power,
    "round": np.round,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
}
