"""Extrapolate a learning curve by a weighted ensemble of parametric families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from archloom.curves._families import FAMILIES, Array
from archloom.errors import ConfigError

DRIFT = 0.55
"""What no family foresees, above all the jump when a learning rate falls: the standard deviation,
as a share of the range seen, for each e-fold of further steps. With it 91 % of the 90 % intervals
held at 30, 50 and 75 % of 171 recorded curves of NATS-Bench, whose rate falls along a cosine."""

LEAST = 3
"""Points that a curve must have."""

_NOISE = 0.01  # of the range seen; where the prior of the noise lies, worth one point
_PRIOR = 0.01  # points that the prior of offset and scale is worth
_FLAT = 1e-3  # of the value: a range that counts as none
_MARGIN = 1e-12


class Forecast(NamedTuple):
    """Where a curve will be: a normal distribution."""

    mean: float
    std: float

    def chance_above(self, value: float) -> float:
        """Give the probability of more than a value.

        >>> Forecast(0.8, 0.1).chance_above(0.8)
        0.5
        """
        if self.std == 0:
            return float(self.mean > value)
        return 0.5 * math.erfc((value - self.mean) / (self.std * math.sqrt(2)))


class _Ensemble(NamedTuple):
    """What every curve of every family says: how well it fits, and what it foresees."""

    evidence: Array
    mean: Array
    variance: Array
    noise: Array


def extrapolate(
    steps: Sequence[float], values: Sequence[float], at: float, *, drift: float = DRIFT
) -> Forecast:
    """Give where the curve through (steps, values) will be at a later step.

    The families are those of Domhan, Springenberg and Hutter, "Speeding up Automatic Hyperparameter
    Optimization of Deep Neural Networks by Extrapolation of Learning Curves" (IJCAI 2015), see
    `FAMILIES`; rising and falling curves are taken alike. What differs from the paper: offset and
    scale are free in every family (which makes Hill3, MMF and log power one, and Janoschek,
    Weibull and exp4); instead of sampling a weighted sum of families by MCMC, all curves of a grid
    over their other parameters are weighted by their evidence, offset, scale and noise integrated
    out in closed form (normal-inverse-gamma); later points weigh more, in proportion to the step;
    and `drift` widens the forecast with the distance. It takes about a millisecond and is the same
    each time.

    Args:
        steps: ascending, from 1; at least three.
        values: one a step, finite.
        at: the step to look at, not before the last.
        drift: standard deviation of what the families cannot foresee, as a share of the range
            seen, for each e-fold of further steps; 0 for curves without a schedule.

    Raises:
        ConfigError: for points that make no curve.

    >>> steps = [1, 2, 3, 4, 5, 6, 7, 8]
    >>> values = [0.9 - 0.5 / step for step in steps]
    >>> forecast = extrapolate(steps, values, at=50, drift=0)
    >>> abs(forecast.mean - 0.89) < 0.01
    True
    """
    x, y = _checked(steps, values, at)
    third = max(1, len(y) // 3)
    sign = 1.0 if y[-third:].mean() >= y[:third].mean() else -1.0
    low, high = (sign * y).min(), (sign * y).max()
    scale = max(high - low, _FLAT * abs(y).max(), _MARGIN)
    found = _ensemble(x, (sign * y - low) / scale, float(at))
    weights = np.exp(found.evidence - found.evidence.max())
    weights /= weights.sum()
    mean = float(weights @ found.mean)
    spread = float(weights @ (found.variance + found.noise + (found.mean - mean) ** 2))
    unforeseen = drift * math.log(at / x[-1])
    return Forecast(
        float(sign * (low + scale * mean)), float(scale * math.sqrt(spread + unforeseen**2))
    )


def _ensemble(x: Array, y: Array, at: float) -> _Ensemble:
    parts = []
    for family in FAMILIES.values():
        fitted = _fitted(family.table(np.append(x, at), at), y, x / x[-1])
        parts.append(fitted._replace(evidence=fitted.evidence - math.log(len(fitted.evidence))))
    return _Ensemble(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _fitted(table: Array, y: Array, weights: Array) -> _Ensemble:
    """Fit y = a + b h for each shape, h being 0 at the first point and 1 at the last.

    `table` has a row for each shape: its values at the points, then at the step to look at. The
    priors, in units of the range seen, are weak: a near 0, b near 1, the noise inverse-gamma.
    """
    first, span = table[:, :1], table[:, -2:-1] - table[:, :1]
    table = ((table - first) / span)[np.abs(span[:, 0]) > _MARGIN]
    h, ahead = table[:, :-1], table[:, -1]
    xx, xh, hh = weights.sum() + _PRIOR, h @ weights, (h * h) @ weights + _PRIOR
    xy, hy = float(weights @ y), (h * y) @ weights + _PRIOR
    determinant = xx * hh - xh**2
    a, b = (hh * xy - xh * hy) / determinant, (xx * hy - xh * xy) / determinant
    shape = 1.0 + weights.sum() / 2
    rest = np.maximum(float(weights @ (y * y)) + _PRIOR - (a * xy + b * hy), 0.0)
    rate = _NOISE**2 + rest / 2
    noise = rate / (shape - 1.0)
    leverage = (hh - 2 * xh * ahead + xx * ahead**2) / determinant
    evidence = -0.5 * np.log(determinant) - shape * np.log(rate)
    return _Ensemble(evidence, a + b * ahead, noise * leverage, noise)


def _checked(steps: Sequence[float], values: Sequence[float], at: float) -> tuple[Array, Array]:
    x, y = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or len(x) < LEAST:
        raise ConfigError(
            f"A curve needs at least {LEAST} steps and a value for each, got {len(steps)} steps "
            f"and {len(values)} values."
        )
    if not np.isfinite(y).all() or not np.isfinite(x).all():
        raise ConfigError(f"A curve's values must be finite, got {list(map(float, y))}.")
    if x[0] < 1 or (np.diff(x) <= 0).any():
        raise ConfigError(f"A curve's steps ascend from 1, got {list(map(float, x))}.")
    if not math.isfinite(at) or at < x[-1]:
        raise ConfigError(f"A curve is extrapolated to a step from {x[-1]:g} on, got {at!r}.")
    return x, y
