"""A normal distribution cut to the interval from 0 to 1, and what it says about numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from archloom.architecture import Value
from archloom.space._numbers import Floats, Integers

_ROOT = math.sqrt(2.0)


@dataclass(frozen=True)
class Bell:
    """The normal distribution of `mean` (0 to 1) and `std`, given that it falls within 0 and 1.

    >>> bell = Bell(0.5, 0.1)
    >>> round(bell.share(0.4, 0.6), 3), round(bell.density(0.5), 3)
    (0.683, 3.989)
    """

    mean: float
    std: float

    @cached_property
    def _inside(self) -> float:
        return self._mass(0.0, 1.0)

    def share(self, low: float, high: float) -> float:
        """Give the probability of the interval."""
        return self._mass(low, high) / self._inside

    def density(self, at: float) -> float:
        """Give the density at a point."""
        return math.exp(self.log_density(at))

    def log_density(self, at: float) -> float:
        """Give the logarithm of the density at a point; finite however far from the mean."""
        off = (at - self.mean) / self.std
        return -0.5 * off * off - math.log(self.std * math.sqrt(math.tau) * self._inside)

    def draw(self, rng: np.random.Generator) -> float:
        """Give a random point."""
        normal = NormalDist(self.mean, self.std)
        below = normal.cdf(0.0)
        level = below + rng.random() * self._inside
        return min(max(normal.inv_cdf(min(max(level, 1e-16), 1 - 1e-16)), 0.0), 1.0)

    def _mass(self, low: float, high: float) -> float:
        """Give the probability of an interval before cutting, without loss in the upper tail."""
        a, b = (low - self.mean) / self.std, (high - self.mean) / self.std
        if a > 0:
            a, b = -b, -a
        return 0.5 * (math.erfc(-b / _ROOT) - math.erfc(-a / _ROOT))


@dataclass(frozen=True)
class AboutFloat:
    """The belief that a float lies near `mean`, `std` away by shares of the (log) range."""

    domain: Floats
    mean: float
    std: float

    @property
    def mode(self) -> Value:
        """The likeliest value."""
        return float(self.mean)

    @cached_property
    def _bell(self) -> Bell:
        return Bell(self.domain.share(self.mean), self.std)

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random value."""
        return self.domain._at(self._bell.draw(rng))

    def log_ratio(self, value: Value) -> float:
        """Give the log of how much likelier a value is than by `Space.sample`."""
        return self._bell.log_density(self.domain.share(value))


@dataclass(frozen=True)
class AboutInteger:
    """The belief that a whole number lies near `mean`, `std` away by shares of the (log) range.

    Each value owns the stretch of the range that `Integers.draw` gives it.
    """

    domain: Integers
    mean: int
    std: float

    @property
    def mode(self) -> Value:
        """The likeliest value."""
        return self.mean

    @cached_property
    def _bell(self) -> Bell:
        low, high = self._stretch(self.mean)
        return Bell((low + high) / 2, self.std)

    def draw(self, rng: np.random.Generator) -> Value:
        """Give a random value."""
        domain, at = self.domain, self._bell.draw(rng)
        if domain.log:
            low = math.log(domain.low)
            there = math.exp(low + at * (math.log(domain.high + domain.step) - low))
            place = math.floor((there - domain.low) / domain.step)
        else:
            place = math.floor(at * domain.count)
        return domain.low + domain.step * min(max(place, 0), domain.count - 1)

    def log_ratio(self, value: Value) -> float:
        """Give the log of how much likelier a value is than by `Space.sample`."""
        assert isinstance(value, int)
        low, high = self._stretch(value)
        share = self._bell.share(low, high)
        if share > 0:
            return math.log(share / (high - low))
        return self._bell.log_density((low + high) / 2)

    def _stretch(self, value: int) -> tuple[float, float]:
        domain = self.domain
        place = (value - domain.low) // domain.step
        if not domain.log:
            return place / domain.count, (place + 1) / domain.count
        low = math.log(domain.low)
        span = math.log(domain.high + domain.step) - low
        last = place == domain.count - 1
        upper = 1.0 if last else (math.log(value + domain.step) - low) / span
        return (math.log(value) - low) / span, upper
