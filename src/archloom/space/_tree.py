"""The tree of choices, as data: `Choice`, `Option` and the domains of options."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from archloom.architecture import Value, as_value, token
from archloom.errors import SpaceError, did_you_mean
from archloom.space._chance import below
from archloom.space._numbers import Floats, Integers

Kind = Literal["value", "layer", "repeat", "subset"]


@dataclass(frozen=True)
class Option:
    """One value that a choice may take, and the choices that it opens.

    Options compare by `token`, so that `Option(1)`, `Option(1.0)` and `Option(True)` all differ.

    >>> Option("conv3") == Option("conv3"), Option(1) == Option(True)
    (True, False)
    """

    value: Value = field(compare=False)
    opens: tuple[Choice, ...] = ()
    token: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", as_value(self.value))
        object.__setattr__(self, "opens", choices_of("An option", self.opens))
        object.__setattr__(self, "token", token(self.value))


def spot(value: Value) -> str | tuple[object]:
    """Give a dict key that separates values as `token` does, at a tenth of its price."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return (value,)
    if isinstance(value, float):
        return (float.__repr__(value),)
    if isinstance(value, int) and kind is not bool:
        return (int(value),)
    return (token(value),)


@dataclass(frozen=True)
class OneOf:
    """Exactly one of the options, each as likely as the other.

    >>> OneOf((Option(16), Option(32))).fault(24)
    'must be one of 16, 32'
    """

    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", _checked(self.options))

    @cached_property
    def places(self) -> dict[str | tuple[object], int]:
        """Where each value stands among the options, by `spot(value)`."""
        return {spot(option.value): place for place, option in enumerate(self.options)}

    @cached_property
    def _values(self) -> tuple[Value, ...]:
        return tuple(option.value for option in self.options)

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.options)

    @property
    def default(self) -> Value:
        """The first option's value."""
        return self.options[0].value

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random option's value."""
        values = self._values
        return values[int(rng.random() * len(values))]

    def other(self, value: Value, rng: np.random.Generator) -> Value:
        """Give a random value that differs from `value`."""
        values = self._values
        place = int(rng.random() * (len(values) - 1))
        return values[place + (place >= self.places[spot(value)])]

    def near(self, value: Value) -> Iterator[Value]:
        """Give every other option's value."""
        here = self.places[spot(value)]
        return (there for place, there in enumerate(self._values) if place != here)

    def values(self, points: int | None = None) -> Iterator[Value]:
        """Give every option's value, in order; `points` limits numbers only."""
        return iter(self._values)

    def fault(self, value: Value) -> str | None:
        """Say what keeps `value` out of the domain, None where nothing does."""
        if spot(value) in self.places:
            return None
        if isinstance(value, str) and all(isinstance(there, str) for there in self._values):
            return f"is not an option: {did_you_mean(value, map(str, self._values))}"
        return f"must be one of {', '.join(map(repr, self._values))}"


@dataclass(frozen=True)
class SomeOf:
    """Between `low` and `high` of the options; the value is a tuple, in the options' order.

    All such subsets are equally likely. What a subset opens is the union of what its options open.

    >>> domain = SomeOf((Option("a"), Option("b"), Option("c")), 1, 2)
    >>> domain.count, domain.default, list(domain.values())[3:]
    (6, ('a',), [('a', 'b'), ('a', 'c'), ('b', 'c')])
    """

    options: tuple[Option, ...]
    low: int
    high: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", _checked(self.options))
        for name in ("low", "high"):
            value = as_value(getattr(self, name))
            if isinstance(value, bool) or not isinstance(value, int):
                raise SpaceError(f"A subset's {name} must be an int, got {value!r}.")
            object.__setattr__(self, name, value)
        if not 0 <= self.low <= self.high <= len(self.options) or self.high == 0:
            raise SpaceError(
                f"A subset of {len(self.options)} options needs 0 <= low <= high <= "
                f"{len(self.options)} and high >= 1, got low={self.low}, high={self.high}."
            )

    @cached_property
    def places(self) -> dict[str | tuple[object], int]:
        """Where each option's value stands among the options, by `spot(value)`."""
        return {spot(option.value): place for place, option in enumerate(self.options)}

    @cached_property
    def _up_to(self) -> list[int]:
        """How many subsets have at most `low`, `low` + 1, ..., `high` options."""
        sizes = range(self.low, self.high + 1)
        return list(itertools.accumulate(math.comb(len(self.options), size) for size in sizes))

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._up_to[-1]

    @property
    def default(self) -> Value:
        """The first `low` options' values."""
        return self._subset(range(self.low))

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random subset."""
        size = self.low + bisect_right(self._up_to, below(rng, self.count))
        left = list(range(len(self.options)))
        return self._subset(sorted(left.pop(below(rng, len(left))) for _ in range(size)))

    def other(self, value: Value, rng: np.random.Generator) -> Value:
        """Give a random value that differs from `value`."""
        here = spot(value)
        while True:
            drawn = self.draw(rng)
            if spot(drawn) != here:
                return drawn

    def near(self, value: Value) -> Iterator[Value]:
        """Give the subsets with one option swapped, one more or one less."""
        chosen = self.members(value)
        free = [place for place in range(len(self.options)) if place not in chosen]
        for old, new in itertools.product(chosen, free):
            yield self._subset(sorted({*chosen, new} - {old}))
        if len(chosen) < self.high:
            yield from (self._subset(sorted((*chosen, new))) for new in free)
        if len(chosen) > self.low:
            yield from (self._subset(there for there in chosen if there != old) for old in chosen)

    def values(self, points: int | None = None) -> Iterator[Value]:
        """Give every subset, small ones first; `points` limits numbers only."""
        for size in range(self.low, self.high + 1):
            for chosen in itertools.combinations(range(len(self.options)), size):
                yield self._subset(chosen)

    def members(self, value: Value) -> tuple[int, ...]:
        """Give the places of the chosen options."""
        if not isinstance(value, tuple):
            raise SpaceError(f"A subset's value is a tuple of options, got {value!r}.")
        return tuple(self.places[spot(part)] for part in value)

    def fault(self, value: Value) -> str | None:
        """Say what keeps `value` out of the domain, None where nothing does."""
        names = ", ".join(repr(option.value) for option in self.options)
        rule = f"must be a tuple of {self.low} to {self.high} of {names}, in that order"
        if not isinstance(value, tuple) or not self.low <= len(value) <= self.high:
            return rule
        at = [self.places.get(spot(part), -1) for part in value]
        rising = all(first < second for first, second in itertools.pairwise(at))
        return None if rising and -1 not in at else rule

    def _subset(self, places: Iterable[int]) -> Value:
        return tuple(self.options[place].value for place in places)


Domain: TypeAlias = OneOf | SomeOf | Integers | Floats


@dataclass(frozen=True)
class Choice:
    """One decision: its label, what it decides about, and the values that it may take.

    The label is the identity: two choices of one label are one decision.

    >>> Choice("width", "value", OneOf((Option(16), Option(32)))).domain.count
    2
    """

    label: str
    kind: Kind
    domain: Domain

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label:
            raise SpaceError(f"A label must be a text of at least one letter, got {self.label!r}.")
        if self.kind not in get_args(Kind):
            raise SpaceError(
                f"The kind of choice {self.label!r} must be one of {', '.join(get_args(Kind))}, "
                f"got {self.kind!r}."
            )
        if not isinstance(self.domain, Domain):
            raise SpaceError(
                f"Choice {self.label!r} needs a domain (OneOf, SomeOf, Integers or Floats), "
                f"got {self.domain!r}."
            )


def choices_of(owner: str, choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Give choices as a tuple. Raises `SpaceError` when there is anything else among them."""
    if isinstance(choices, Choice):
        raise SpaceError(f"{owner} takes a tuple of choices, got one alone: ({choices.label!r},).")
    made = tuple(choices)
    for choice in made:
        if not isinstance(choice, Choice):
            raise SpaceError(f"{owner} takes choices, got {choice!r}.")
    return made


def _checked(options: Iterable[Option]) -> tuple[Option, ...]:
    options = tuple(options)
    if not options:
        raise SpaceError("A choice needs at least one option, got none.")
    for option in options:
        if not isinstance(option, Option):
            raise SpaceError(f"Options must be of type Option, got {option!r}: Option({option!r}).")
    met: set[str] = set()
    for option in options:
        if option.token in met:
            raise SpaceError(
                f"Options must differ, got {option.value!r} twice. Leave one of the two out."
            )
        met.add(option.token)
    return options
