"""A space's labels as the parameters that Optuna knows: categories, whole numbers and floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np

from archloom.architecture import Value, token
from archloom.space import Choice, Floats, Integers, OneOf, SomeOf, Space

_SUBSETS = 16  # subsets up to this number are one category each

Number: TypeAlias = "int | float"


@dataclass(frozen=True)
class Category:
    """One of `count` that have no order; its values are 0 to `count` - 1."""

    count: int


@dataclass(frozen=True)
class Whole:
    """A whole number of a range."""

    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True)
class Real:
    """A number of a range."""

    low: float
    high: float
    log: bool


Param: TypeAlias = Category | Whole | Real


class Code(Protocol):
    """How one label is told in parameters."""

    @property
    def params(self) -> Mapping[str, Param]:
        """The parameters by name."""

    def encode(self, value: Value) -> dict[str, Number]:
        """Give the parameters of a value."""

    def decode(self, params: Mapping[str, Number], rng: np.random.Generator) -> Value:
        """Give the value of the parameters; `rng` decides where they leave it open."""


@dataclass(frozen=True)
class Listed:
    """One of a list of values, as its place in the list."""

    label: str
    values: tuple[Value, ...]
    ordered: bool

    @property
    def params(self) -> Mapping[str, Param]:
        """The place: a whole number where the values have an order, a category otherwise."""
        count = len(self.values)
        return {self.label: Whole(0, count - 1) if self.ordered else Category(count)}

    def encode(self, value: Value) -> dict[str, Number]:
        """Give the value's place."""
        return {self.label: self._places[token(value)]}

    def decode(self, params: Mapping[str, Number], rng: np.random.Generator) -> Value:
        """Give the value at that place."""
        return self.values[int(params[self.label])]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {token(value): place for place, value in enumerate(self.values)}


@dataclass(frozen=True)
class Ranged:
    """A number of a range, as itself."""

    label: str
    domain: Integers | Floats

    @property
    def params(self) -> Mapping[str, Param]:
        """The range; on a log scale with steps, which Optuna does not have, a range of floats."""
        domain = self.domain
        if isinstance(domain, Floats):
            return {self.label: Real(domain.low, domain.high, domain.log)}
        high = domain.low + domain.step * (domain.count - 1)
        if domain.log and domain.step > 1:
            return {self.label: Real(float(domain.low), float(high), True)}
        return {self.label: Whole(domain.low, high, domain.step, domain.log)}

    def encode(self, value: Value) -> dict[str, Number]:
        """Give the number."""
        assert isinstance(value, int | float)
        whole = isinstance(self.params[self.label], Whole)
        return {self.label: int(value) if whole else float(value)}

    def decode(self, params: Mapping[str, Number], rng: np.random.Generator) -> Value:
        """Give the nearest value of the domain."""
        number, domain = params[self.label], self.domain
        if isinstance(domain, Floats):
            return min(max(float(number), domain.low), domain.high)
        place = round((number - domain.low) / domain.step)
        return domain.low + domain.step * min(max(place, 0), domain.count - 1)


@dataclass(frozen=True)
class Members:
    """A subset of many, as a parameter an option: 1 for a member, 0 for none."""

    label: str
    domain: SomeOf

    @property
    def params(self) -> Mapping[str, Param]:
        """One parameter an option."""
        return {name: Whole(0, 1) for name in self._names}

    def encode(self, value: Value) -> dict[str, Number]:
        """Give who is a member."""
        members = self.domain.members(value)
        return {name: int(place in members) for place, name in enumerate(self._names)}

    def decode(self, params: Mapping[str, Number], rng: np.random.Generator) -> Value:
        """Give the members; random ones more or less where the subset may not be of that size."""
        chosen = [place for place, name in enumerate(self._names) if params[name]]
        others = [place for place, name in enumerate(self._names) if not params[name]]
        while len(chosen) > self.domain.high:
            chosen.pop(int(rng.integers(len(chosen))))
        while len(chosen) < self.domain.low:
            chosen.append(others.pop(int(rng.integers(len(others)))))
        return tuple(self.domain.options[place].value for place in sorted(chosen))

    @property
    def _names(self) -> list[str]:
        return [f"{self.label}\x1f{place}" for place in range(len(self.domain.options))]


def codes_of(space: Space) -> dict[str, Code]:
    """Give each label's code; labels of a single value have none."""
    return {
        label: _code(choice) for label, choice in space.labels.items() if choice.domain.count > 1
    }


def _code(choice: Choice) -> Code:
    label, domain = choice.label, choice.domain
    match domain:
        case OneOf():
            values = tuple(option.value for option in domain.options)
            ordered = choice.kind != "layer" and _ordered(values)  # a layer's options are names
            return Listed(label, values, ordered)
        case SomeOf() if domain.count <= _SUBSETS:
            return Listed(label, tuple(domain.values()), ordered=False)
        case SomeOf():
            return Members(label, domain)
        case Integers() | Floats():
            return Ranged(label, domain)


def _ordered(values: tuple[Value, ...]) -> bool:
    """Say whether the values are numbers that rise or fall: widths, depths, rates."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not all(map(math.isfinite, numbers)):
        return False
    steps = [second - first for first, second in pairwise(numbers)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)
