"""An architecture as a sequence of decisions, each for one of a few outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from archloom.architecture import Architecture, Value, token
from archloom.space import Choice, Floats, Integers, OneOf, SomeOf, Space

_DRAWS = 1000  # of a number, until one lies in the part that was decided for


class Decision(NamedTuple):
    """One step on the way to an architecture.

    `key` says what is decided: a label, or the label and the place of one input of a subset.
    `odds` are the logarithms of how likely each outcome is where nothing is known, up to a
    constant: with them, each subset is as likely as the other.
    """

    key: str
    outcome: int
    odds: Sequence[float]


Choose: TypeAlias = Callable[[str, Sequence[float]], int]
"""Give the outcome of a decision, from its key and its odds."""


class Decisions:
    """Takes architectures apart into decisions, in the order of the walk, and puts them together.

    One of several options is one decision. A subset is a decision for each input, in or out, as
    long as both are possible. A number with more than `bins` values is decided down to one of
    that many parts of its range, within which it is drawn.

    `counts` holds the number of outcomes for each key.

    >>> from archloom.space import Space
    >>> decisions = Decisions(Space(()).joint(width=[16, 32], kernel=[3, 5, 7]), bins=8)
    >>> dict(decisions.counts)
    {'width': 2, 'kernel': 3}
    >>> rng = np.random.default_rng(0)
    >>> made = decisions.write(lambda key, odds: len(odds) - 1, rng)
    >>> made, [decision.outcome for decision in decisions.read(made)]
    (Architecture({'kernel': 7, 'width': 32}), [1, 2])
    """

    def __init__(self, space: Space, bins: int) -> None:
        self._space = space
        self._parts = {
            label: _part(choice, bins)
            for label, choice in space.labels.items()
            if choice.domain.count > 1
        }
        self.counts: Mapping[str, int] = {
            key: count for part in self._parts.values() for key, count in part.counts().items()
        }

    def write(self, choose: Choose, rng: np.random.Generator) -> Architecture:
        """Give the architecture of the outcomes that `choose` gives."""

        def decide(choice: Choice) -> Value:
            part = self._parts.get(choice.label)
            return choice.domain.default if part is None else part.write(choose, rng)

        return self._space.complete({}, decide)

    def read(self, architecture: Architecture) -> list[Decision]:
        """Give the decisions that lead to an architecture."""
        found: list[Decision] = []

        def decide(choice: Choice) -> Value:
            value = architecture[choice.label]
            part = self._parts.get(choice.label)
            if part is not None:
                found.extend(part.read(value))
            return value

        self._space.complete({}, decide)
        return found


class _OneOption:
    def __init__(self, label: str, domain: OneOf) -> None:
        self._label = label
        self._values = [option.value for option in domain.options]
        self._places = {option.token: place for place, option in enumerate(domain.options)}
        self._odds = (0.0,) * len(self._values)

    def counts(self) -> dict[str, int]:
        return {self._label: len(self._values)}

    def write(self, choose: Choose, rng: np.random.Generator) -> Value:
        return self._values[choose(self._label, self._odds)]

    def read(self, value: Value) -> list[Decision]:
        return [Decision(self._label, self._places[token(value)], self._odds)]


class _SomeOptions:
    def __init__(self, label: str, domain: SomeOf) -> None:
        self._domain = domain
        self._values = [option.value for option in domain.options]
        self._keys = [f"{label}[{place}]" for place in range(len(self._values))]

    def counts(self) -> dict[str, int]:
        return dict.fromkeys(self._keys, 2)

    def write(self, choose: Choose, rng: np.random.Generator) -> Value:
        return self._walk(choose)

    def read(self, value: Value) -> list[Decision]:
        chosen = set(self._domain.members(value))
        found: list[Decision] = []

        def choose(key: str, odds: Sequence[float]) -> int:
            found.append(Decision(key, int(self._keys.index(key) in chosen), odds))
            return found[-1].outcome

        self._walk(choose)
        return found

    def _walk(self, choose: Choose) -> Value:
        """Decide input by input, those that the limits leave open."""
        chosen: list[Value] = []
        for place, value in enumerate(self._values):
            left = len(self._values) - place - 1
            without = self._ways(left, len(chosen))
            within = self._ways(left, len(chosen) + 1)
            if without and within:
                taken = choose(self._keys[place], (math.log(without), math.log(within)))
            else:
                taken = int(within > 0)
            if taken:
                chosen.append(value)
        return tuple(chosen)

    def _ways(self, left: int, chosen: int) -> int:
        """Give in how many ways a subset can be completed."""
        sizes = range(max(self._domain.low - chosen, 0), self._domain.high - chosen + 1)
        return sum(math.comb(left, size) for size in sizes)


class _Number:
    def __init__(self, label: str, domain: Integers | Floats, bins: int) -> None:
        self._label = label
        self._domain = domain
        self._middles: list[Value] = list(domain.values(bins))
        self._shares = np.array([domain.share(value) for value in self._middles])
        self._odds = (0.0,) * len(self._middles)

    def counts(self) -> dict[str, int]:
        return {self._label: len(self._middles)}

    def write(self, choose: Choose, rng: np.random.Generator) -> Value:
        place = choose(self._label, self._odds)
        if len(self._middles) == self._domain.count:
            return self._middles[place]
        drawn = (self._domain.draw(rng) for _ in range(_DRAWS))
        return next((value for value in drawn if self._place(value) == place), self._middles[place])

    def read(self, value: Value) -> list[Decision]:
        return [Decision(self._label, self._place(value), self._odds)]

    def _place(self, value: Value) -> int:
        return int(np.abs(self._shares - self._domain.share(value)).argmin())


def _part(choice: Choice, bins: int) -> _OneOption | _SomeOptions | _Number:
    match choice.domain:
        case OneOf() as domain:
            return _OneOption(choice.label, domain)
        case SomeOf() as domain:
            return _SomeOptions(choice.label, domain)
        case domain:
            return _Number(choice.label, domain, bins)
