"""Families of learning curves: the shapes that a metric takes over the steps of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SHAPES = tuple(float(shape) for shape in np.geomspace(0.25, 3.0, 12))
_SHIFTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_SCALES = 20  # time scales from the first step to a few times the last one


@dataclass(frozen=True)
class Family:
    """A shape `g(x; p, q)` of the step x; the curve is a + b g, with a and b free.

    `first` are the values of p that are tried, as exponents or, with `scaled`, as time scales in
    units of the horizon; `second` those of q.
    """

    shape: Callable[[Array, Array, Array], Array]
    first: tuple[float, ...] = (1.0,)
    second: tuple[float, ...] = (1.0,)
    scaled: bool = False

    def table(self, steps: Array, horizon: float) -> Array:
        """Give g at the steps, a row for each pair of parameters."""
        firsts = np.asarray(self.first)
        if self.scaled:
            firsts = np.geomspace(1.0, 4.0 * horizon, _SCALES)
        pairs = np.asarray(list(product(firsts, self.second)))
        with np.errstate(over="ignore", under="ignore"):
            return self.shape(steps[None, :], pairs[:, :1], pairs[:, 1:])


def _power(x: Array, p: Array, q: Array) -> Array:
    """pow3 (q = 0) and pow4: -(x + q)^-p."""
    return -((x + q) ** -p)


def _inverse_logarithm(x: Array, p: Array, q: Array) -> Array:
    """ilog2: -1 / log(x + 1); the paper's log(x) is 0 at the first step."""
    return -1.0 / np.log(x + p)


def _logarithm(x: Array, p: Array, q: Array) -> Array:
    """log log linear: log(log(x + 1) + p), and so its inner log x + b."""
    return np.log(np.log(x + 1.0) + p)


def _hill(x: Array, p: Array, q: Array) -> Array:
    """MMF, Hill3 and log power: 1 / (1 + (x / p)^-q)."""
    return 1.0 / (1.0 + (x / p) ** -q)


def _weibull(x: Array, p: Array, q: Array) -> Array:
    """Weibull, Janoschek and exp4; exp3 with q = 1: -exp(-(x / p)^q)."""
    return -np.exp(-((x / p) ** q))


def _vapor(x: Array, p: Array, q: Array) -> Array:
    """Vapor pressure: exp(-p / x) x^q."""
    return np.exp(-p / x) * x**q


FAMILIES: Mapping[str, Family] = {
    "pow3": Family(_power, tuple(np.geomspace(0.05, 3.0, 24)), (0.0,)),
    "pow4": Family(_power, tuple(np.geomspace(0.05, 3.0, 24)), _SHIFTS),
    "ilog2": Family(_inverse_logarithm, (1.0, 2.0)),
    "log_log_linear": Family(_logarithm, tuple(np.geomspace(0.05, 5.0, 12))),
    "mmf": Family(_hill, (), _SHAPES, scaled=True),
    "exp3": Family(_weibull, (), (1.0,), scaled=True),
    "weibull": Family(_weibull, (), _SHAPES, scaled=True),
    "vapor_pressure": Family(_vapor, (0.3, 1.0, 3.0, 10.0), (-0.5, -0.2, -0.05, 0.02, 0.1)),
}
