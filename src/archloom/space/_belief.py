"""What an expert believes about one label: weights, one value, or a stretch of numbers."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from archloom.architecture import Value
from archloom.space._tree import OneOf, SomeOf, spot


class Belief(Protocol):
    """A distribution over the values of one label."""

    @property
    def mode(self) -> Value:
        """The likeliest value."""

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random value."""

    def log_ratio(self, value: Value) -> float:
        """Give the log of how much likelier a value is than by `Space.sample`."""


@dataclass(frozen=True)
class Weighted:
    """One of the options, each as likely as its weight says; a weight of 0 means never."""

    domain: OneOf
    weights: tuple[float, ...]

    @cached_property
    def _up_to(self) -> list[float]:
        return list(accumulate(self.weights))

    @property
    def mode(self) -> Value:
        """The likeliest value."""
        return self.domain.options[int(np.argmax(self.weights))].value

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random value."""
        place = bisect_right(self._up_to, rng.random() * self._up_to[-1])
        while not self.weights[min(place, len(self.weights) - 1)]:  # rounding at the upper end
            place -= 1
        return self.domain.options[min(place, len(self.weights) - 1)].value

    def log_ratio(self, value: Value) -> float:
        """Give the log of how much likelier a value is than by `Space.sample`."""
        weight = self.weights[self.domain.places[spot(value)]]
        return _log(weight * len(self.weights) / self._up_to[-1])


@dataclass(frozen=True)
class WeightedSubset:
    """A subset, as likely as the product of its members' weights says."""

    domain: SomeOf
    weights: tuple[float, ...]

    @cached_property
    def _sums(self) -> list[list[float]]:
        """Row i: the sums, over all k of the first i options, of the products of their weights."""
        rows = [[1.0] + [0.0] * self.domain.high]
        for weight in self.weights:
            above = rows[-1]
            grown = (more + weight * less for less, more in pairwise(above))
            rows.append([1.0, *grown])
        return rows

    @cached_property
    def _up_to(self) -> list[float]:
        return list(accumulate(self._sums[-1][self.domain.low :]))

    @property
    def possible(self) -> bool:
        """Whether any subset has a weight above 0."""
        return self._up_to[-1] > 0

    @property
    def mode(self) -> Value:
        """The likeliest value."""
        domain = self.domain
        order = sorted(range(len(self.weights)), key=lambda place: -self.weights[place])
        more = sum(self.weights[place] > 1 for place in order)
        return domain._subset(sorted(order[: min(max(more, domain.low), domain.high)]))

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random value."""
        size = bisect_right(self._up_to, rng.random() * self._up_to[-1])
        left = min(self.domain.low + size, self.domain.high)
        while not self._sums[-1][left]:  # rounding at the upper end
            left -= 1
        chosen: list[int] = []
        for place in range(len(self.weights) - 1, -1, -1):
            if left == 0:
                break
            without = self._sums[place][left]
            if rng.random() * self._sums[place + 1][left] >= without:
                chosen.append(place)
                left -= 1
        return self.domain._subset(sorted(chosen))

    def log_ratio(self, value: Value) -> float:
        """Give the log of how much likelier a value is than by `Space.sample`."""
        product = math.prod(self.weights[place] for place in self.domain.members(value))
        return _log(product * self.domain.count / self._up_to[-1])


@dataclass(frozen=True)
class Favoured:
    """One value with probability `confidence`, any value of the domain otherwise."""

    domain: OneOf | SomeOf
    value: Value
    confidence: float

    @property
    def mode(self) -> Value:
        """The likeliest value."""
        return self.value

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random value."""
        return self.value if rng.random() < self.confidence else self.domain.draw(rng)

    def log_ratio(self, value: Value) -> float:
        """Give the log of how much likelier a value is than by `Space.sample`."""
        rest = 1 - self.confidence
        if spot(value) != spot(self.value):
            return _log(rest)
        return math.log(rest + self.confidence * self.domain.count)


def weights_of(named: Sequence[tuple[int, float]], count: int) -> tuple[float, ...]:
    """Give all weights: those that are named, and 1 for the others."""
    weights = [1.0] * count
    for place, weight in named:
        weights[place] = weight
    return tuple(weights)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
