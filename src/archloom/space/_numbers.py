"""Domains of numbers: `Integers` and `Floats`, and the short ways to write them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from archloom.architecture import Value, as_value
from archloom.errors import SpaceError
from archloom.space._chance import below

_JUMP = 0.1  # neighbours of a number lie one step and this part of the span away


@dataclass(frozen=True)
class Integers:
    """Whole numbers from `low` to `high`, both included, in steps of `step`.

    With `log` small numbers are drawn more often: each factor of two gets the same share.

    >>> domain = Integers(16, 64, step=16)
    >>> domain.count, list(domain.values()), domain.default
    (4, [16, 32, 48, 64], 16)
    """

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            object.__setattr__(self, name, _whole(name, getattr(self, name)))
        _check_bounds(self.low, self.high, self.log)
        if not 1 <= self.step <= self.high - self.low:
            raise SpaceError(
                f"The step of a range must lie between 1 and its width "
                f"({self.high} - {self.low} = {self.high - self.low}), got {self.step!r}."
            )

    @property
    def count(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    @property
    def default(self) -> int:
        """The lowest value."""
        return self.low

    def draw(self, rng: np.random.Generator) -> int:
        """Give a random value: uniform, or log-uniform with `log`."""
        if not self.log:
            return self.low + self.step * below(rng, self.count)
        low = math.log(self.low)
        drawn = math.exp(low + rng.random() * (math.log(self.high + self.step) - low))
        return self._snap(math.floor((drawn - self.low) / self.step))

    def other(self, value: Value, rng: np.random.Generator) -> int:
        """Give a random value that differs from `value`."""
        while True:
            drawn = self.draw(rng)
            if drawn != value:
                return drawn

    def near(self, value: Value) -> Iterator[int]:
        """Give the values one step and about a tenth of the (log) span away from `value`."""
        at = (_integer(value) - self.low) // self.step
        met = {at}
        for there in (at - 1, at + 1, self._jump(at, -1), self._jump(at, 1)):
            there = min(max(there, 0), self.count - 1)
            if there not in met:
                met.add(there)
                yield self.low + self.step * there

    def values(self, points: int | None = None) -> Iterator[int]:
        """Give every value in rising order, or `points` evenly (log-)spaced ones if fewer."""
        count = self.count
        if points is None or points >= count:
            yield from range(self.low, self.high + 1, self.step)
            return
        at = -1
        for number in range(points):
            share = number / (points - 1) if points > 1 else 0.5
            # Rounding may give one index twice; each point takes at least the next free one.
            at = min(max(self._index(share), at + 1), count - points + number)
            yield self.low + self.step * at

    def fault(self, value: Value) -> str | None:
        """Say what keeps `value` out of the domain, None where nothing does."""
        inside = (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return None if inside else f"must be an int from {self.low} to {self.high}{step}"

    def share(self, value: Value) -> float:
        """Give where `value` lies between `low` (0) and `high` (1), on the log scale with `log`."""
        return _share(_integer(value), self.low, self.high, self.log)

    def at(self, share: float) -> int:
        """Give the value nearest to where `share` (0 to 1) says, on the log scale with `log`."""
        there = _between(min(max(share, 0.0), 1.0), self.low, self.high, self.log)
        return self._snap(round((there - self.low) / self.step))

    def _index(self, share: float) -> int:
        if not self.log:
            return round(share * (self.count - 1))
        last = self.low + self.step * (self.count - 1)
        return round((_between(share, self.low, last, True) - self.low) / self.step)

    def _jump(self, at: int, sign: int) -> int:
        if not self.log:
            return at + sign * max(1, round(_JUMP * (self.count - 1)))
        here = self.low + self.step * at
        there = here * math.exp(sign * _JUMP * math.log(self.high / self.low))
        return round((there - self.low) / self.step)

    def _snap(self, at: int) -> int:
        return self.low + self.step * min(max(at, 0), self.count - 1)


@dataclass(frozen=True)
class Floats:
    """All numbers from `low` to `high`; with `log` each factor of ten gets the same share.

    >>> round(Floats(1e-4, 1e-2, log=True).share(1e-3), 6)
    0.5
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        _check_bounds(self.low, self.high, self.log)

    @property
    def count(self) -> float:
        """How many values there are: infinity."""
        return math.inf

    @property
    def default(self) -> float:
        """The lowest value."""
        return self.low

    def draw(self, rng: np.random.Generator) -> float:
        """Give a random value: uniform, or log-uniform with `log`."""
        return self._at(rng.random())

    def other(self, value: Value, rng: np.random.Generator) -> float:
        """Give a random value that differs from `value`."""
        while True:
            drawn = self._at(rng.random())
            if drawn != value:
                return drawn

    def near(self, value: Value) -> Iterator[float]:
        """Give the two values a tenth of the (log) span away from `value`, within the bounds."""
        here = self.share(value)
        near = {self._at(here - _JUMP), self._at(here + _JUMP)} - {value}
        # Between bounds as close as floats can be, a tenth of the span is no step at all.
        yield from sorted(near) or {self.low, self.high} - {value}

    def values(self, points: int | None = None) -> Iterator[float]:
        """Give `points` evenly (log-)spaced values, both bounds included.

        Raises:
            SpaceError: without `points`, as there is no end to all values.
        """
        if points is None:
            raise SpaceError(
                f"The numbers from {self.low!r} to {self.high!r} cannot be listed one by one. "
                f"Say how many of them to take: enumerate(points=5)."
            )
        for number in range(points):
            yield self._at(number / (points - 1) if points > 1 else 0.5)

    def fault(self, value: Value) -> str | None:
        """Say what keeps `value` out of the domain, None where nothing does."""
        inside = isinstance(value, float) and self.low <= value <= self.high
        return None if inside else f"must be a float from {self.low!r} to {self.high!r}"

    def share(self, value: Value) -> float:
        """Give where `value` lies between `low` (0) and `high` (1), on the log scale with `log`."""
        return _share(_float(value), self.low, self.high, self.log)

    def at(self, share: float) -> float:
        """Give the value that has that `share` (0 to 1); shares beyond give the bounds."""
        return self._at(share)

    def _at(self, share: float) -> float:
        if share <= 0 or share >= 1:
            return self.low if share <= 0 else self.high
        return min(max(_between(share, self.low, self.high, self.log), self.low), self.high)


def integers(low: int, high: int, step: int = 1, log: bool = False) -> Integers:
    """Give the whole numbers from `low` to `high`, both included.

    Raises:
        SpaceError: unless low < high, 1 <= step <= high - low, and low > 0 with `log`.

    >>> integers(16, 512).count
    497
    """
    return Integers(low, high, step, log)


def uniform(low: float, high: float) -> Floats:
    """Give the numbers from `low` to `high`, each as likely as the other.

    Raises:
        SpaceError: unless low < high and both are finite.

    >>> uniform(0, 0.5)
    Floats(low=0.0, high=0.5, log=False)
    """
    return Floats(low, high)


def log_uniform(low: float, high: float) -> Floats:
    """Give the numbers from `low` to `high`, uniform on the log scale: for learning rates.

    Raises:
        SpaceError: unless 0 < low < high and both are finite.

    >>> log_uniform(1e-4, 1e-1)
    Floats(low=0.0001, high=0.1, log=True)
    """
    return Floats(low, high, log=True)


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not isinstance(log, bool):
        raise SpaceError(f"A range's log must be true or false, got {log!r}.")
    if not low < high:
        raise SpaceError(f"A range must have low < high, got low={low!r}, high={high!r}.")
    if log and low <= 0:
        raise SpaceError(
            f"A log range must have low > 0, got low={low!r}. Raise low, or leave log out."
        )


def _whole(name: str, raw: object) -> int:
    value = as_value(raw)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpaceError(f"A range's {name} must be an int, got {raw!r}.")
    return value


def _number(name: str, raw: object) -> float:
    try:
        value = as_value(raw)
    except SpaceError as error:
        raise SpaceError(f"A range's {name} must be a finite number, got {raw!r}.") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpaceError(f"A range's {name} must be a finite number, got {raw!r}.")
    return float(value)


def _between(share: float, low: float, high: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) * (1 - share) + math.log(high) * share)
    return low * (1 - share) + high * share  # low + (high - low) * share may overflow


def _share(value: float, low: float, high: float, log: bool) -> float:
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _integer(value: Value) -> int:
    if isinstance(value, int):
        return value
    raise SpaceError(f"A range of whole numbers holds ints only, got {value!r}.")


def _float(value: Value) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise SpaceError(f"A range of numbers holds floats only, got {value!r}.")
