"""Kernels: how likely a value is, given that another one was good, for each kind of domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Value
from archloom.space import Choice, Floats, Integers, OneOf, SomeOf

Values: TypeAlias = "Sequence[Value | None]"
"""A label's value in each of several architectures, None where it is not active."""

Matrix: TypeAlias = NDArray[np.float64]


class Kernel(Protocol):
    """A density around each of several centres, relative to `Space.sample`."""

    def log(self, values: Values) -> Matrix:
        """Give log densities: a row each value, a column each centre; 0 where either is None."""

    def draw(self, centre: int, factor: float, rng: np.random.Generator) -> Value:
        """Give a random value around a centre that is not None; `factor` widens the bandwidth."""


def kernel_of(choice: Choice, centres: Values, labels: int, narrowest: float) -> Kernel:
    """Give the kernel that suits a choice, its bandwidth by how many centres there are.

    `labels` is the number of dimensions of the density that the kernel is a factor of.
    """
    active = sum(centre is not None for centre in centres)
    shrink = max(active, 1) ** (-1 / (4 + labels))
    match choice.domain:
        case OneOf() as domain:
            return OptionKernel(domain, centres, shrink, narrowest)
        case SomeOf() as domain:
            return SubsetKernel(domain, centres, shrink, narrowest)
        case Integers() | Floats() as domain:
            return NumberKernel(domain, centres, shrink, narrowest)


class OptionKernel:
    """Aitchison and Aitken's: stay at the centre, or go to any other option, all alike."""

    def __init__(self, domain: OneOf, centres: Values, shrink: float, narrowest: float) -> None:
        self._domain = domain
        self._centres = centres
        self._codes = self._coded(centres)
        most = 1 - 1 / domain.count  # here the kernel is flat
        self._leave = min(max(most * shrink, narrowest), most)

    def log(self, values: Values) -> Matrix:
        """Give log densities: a row each value, a column each centre; 0 where either is None."""
        count, codes = self._domain.count, self._coded(values)[:, None]
        stay = math.log((1 - self._leave) * count)
        other = math.log(self._leave / (count - 1) * count)
        logs = np.where(codes == self._codes, stay, other)
        return np.where((codes < 0) | (self._codes < 0), 0.0, logs)

    def draw(self, centre: int, factor: float, rng: np.random.Generator) -> Value:
        """Give a random value around a centre; options have no width to stretch."""
        value = self._centres[centre]
        assert value is not None
        return self._domain.other(value, rng) if rng.random() < self._leave else value

    def _coded(self, values: Values) -> NDArray[np.int64]:
        places = {repr(value): place for place, value in enumerate(self._domain.values())}
        return np.array([-1 if v is None else places[repr(v)] for v in values], dtype=np.int64)


class NumberKernel:
    """A normal distribution around the centre, cut to the range, on the range's own scale."""

    def __init__(
        self, domain: Integers | Floats, centres: Values, shrink: float, narrowest: float
    ) -> None:
        self._domain = domain
        self._shares = self._shared(centres)
        known = self._shares[~np.isnan(self._shares)]
        spread = float(known.std()) if len(known) else 0.0
        self._width = max(1.06 * spread * shrink, narrowest)
        root = self._width * math.sqrt(2)
        inside = [math.erf((1 - share) / root) + math.erf(share / root) for share in self._shares]
        self._log_inside = np.log(np.array(inside) / 2)

    def log(self, values: Values) -> Matrix:
        """Give log densities: a row each value, a column each centre; 0 where either is None."""
        off = (self._shared(values)[:, None] - self._shares) / self._width
        flat = math.log(self._width * math.sqrt(math.tau))
        return np.nan_to_num(-0.5 * off * off - flat - self._log_inside)

    def draw(self, centre: int, factor: float, rng: np.random.Generator) -> Value:
        """Give a random value around a centre; `factor` widens the bandwidth."""
        normal = NormalDist(float(self._shares[centre]), self._width * factor)
        low, high = normal.cdf(0.0), normal.cdf(1.0)
        level = min(max(low + rng.random() * (high - low), 1e-16), 1 - 1e-16)
        return self._domain.at(normal.inv_cdf(level))

    def _shared(self, values: Values) -> Matrix:
        share = self._domain.share
        return np.array([math.nan if v is None else share(v) for v in values], dtype=np.float64)


class SubsetKernel:
    """Each option joins or leaves with the same chance, given that the subset stays in bounds."""

    def __init__(self, domain: SomeOf, centres: Values, shrink: float, narrowest: float) -> None:
        self._domain = domain
        self._options = [option.value for option in domain.options]
        self._bits, self._active = self._coded(centres)
        flip = min(max(0.5 * shrink, narrowest), 0.5)  # at 0.5 the kernel is flat
        self._odds = flip / (1 - flip)
        sizes = range(len(self._options) + 1)
        self._log_mass = np.array([math.log(sum(self._changes(size).values())) for size in sizes])

    def log(self, values: Values) -> Matrix:
        """Give log densities: a row each value, a column each centre; 0 where either is None."""
        bits, active = self._coded(values)
        apart = (bits[:, None, :] != self._bits[None, :, :]).sum(axis=2)
        mass = self._log_mass[self._bits.sum(axis=1)]
        logs = apart * math.log(self._odds) - mass + math.log(self._domain.count)
        return np.where(active[:, None] & self._active, logs, 0.0)

    def draw(self, centre: int, factor: float, rng: np.random.Generator) -> Value:
        """Give a random value around a centre; subsets have no width to stretch."""
        chosen = np.flatnonzero(self._bits[centre])
        free = np.flatnonzero(~self._bits[centre])
        changes = self._changes(len(chosen))
        weights = np.cumsum(list(changes.values()))
        at = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
        joining, leaving = list(changes)[min(at, len(changes) - 1)]
        gone = set(rng.permutation(chosen)[:leaving].tolist())
        come = rng.permutation(free)[:joining].tolist()
        members = sorted({*chosen.tolist(), *come} - gone)
        return tuple(self._options[place] for place in members)

    def _changes(self, size: int) -> dict[tuple[int, int], float]:
        """Give the weight of so many options joining and leaving a subset of a size."""
        rest, low, high = len(self._options) - size, self._domain.low, self._domain.high
        ways = math.comb
        return {
            (more, less): ways(rest, more) * ways(size, less) * self._odds ** (more + less)
            for more in range(rest + 1)
            for less in range(size + 1)
            if low <= size + more - less <= high
        }

    def _coded(self, values: Values) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        bits = np.zeros((len(values), len(self._options)), dtype=np.bool_)
        for row, value in zip(bits, values, strict=True):
            if value is not None:
                row[list(self._domain.members(value))] = True
        return bits, np.array([value is not None for value in values], dtype=np.bool_)
