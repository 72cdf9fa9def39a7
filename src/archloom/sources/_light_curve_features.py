"""Numbers that astronomers read off a light curve: peaks, widths, slopes, colours, counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from archloom.sources._bazin import bazin_features
from archloom.sources._curves import LightCurves, read_light_curves
from archloom.sources._light_curve_shapes import DAYS, Shapes, distance_modulus, shapes_of
from archloom.sources._observations import Observations

_ZERO = int(np.argmin(np.abs(DAYS)))
_STEP = float(DAYS[1] - DAYS[0])
_AFTER = (-20, -10, 10, 20, 30, 45, 60, 80)
_COLOURS = (-10, 0, 10, 20, 30, 45)
_FLOOR = 1e-3


def light_curve_features(
    source: Any, metadata: Any = None, *, bazin: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give hand-made features of light curves, (n, features), and their names.

    `source` and `metadata` are those of `from_light_curves`, or light curves that were read. The
    features describe each object (brightness, counts, photometric redshift, absolute magnitude)
    and each band (peak, its time, rise and fall, fluxes and colours along the way, scatter), most
    of them read off the Gaussian process that Boone (2019) describes. `bazin` adds the parameters
    of the function of Bazin et al. (2009) fitted to each band, which takes some milliseconds a fit.
    Where something is not known it is NaN, which scikit-learn's histogram boosting understands.

    >>> rng = np.random.default_rng(0)
    >>> rows = {"object_id": [1] * 30, "mjd": range(30), "passband": ["r"] * 30}
    >>> flux = 50 * np.exp(-0.5 * ((np.arange(30) - 12) / 5) ** 2) + rng.normal(0, 1, 30)
    >>> X, names = light_curve_features({**rows, "flux": flux, "flux_err": [1.0] * 30})
    >>> X.shape == (1, len(names)), 8 < X[0, names.index("rise_r")] + X[0, names.index("fall_r")]
    (True, np.True_)
    """
    curves = source if isinstance(source, LightCurves) else read_light_curves(source, metadata)[0]
    return features_of(curves, shapes_of(curves, np.zeros(1)), bazin=bazin)


def features_of(
    curves: LightCurves, shapes: Shapes, *, bazin: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give the features of light curves and the shapes that were fitted to them."""
    found = dict(_of_object(curves, shapes))
    for number, band in enumerate(curves.bands):
        found |= _of_band(curves, shapes, number, band)
    for left, right in zip(range(len(curves.bands)), range(1, len(curves.bands)), strict=False):
        found |= _colours(shapes, left, right, f"{curves.bands[left]}-{curves.bands[right]}")
    if bazin:
        found |= bazin_features(curves, shapes.peak)
    return np.stack([np.asarray(column, dtype=np.float64) for column in found.values()], 1), tuple(
        found
    )


def _of_object(curves: LightCurves, shapes: Shapes) -> Iterator[tuple[str, np.ndarray]]:
    seen, redshift = curves.observations, curves.redshift()
    assert seen.error is not None
    signal = seen.value / seen.error
    yield "log_scale", np.log10(shapes.scale)
    if not np.isnan(redshift).all():
        yield "redshift", redshift
        for name in ("host_photoz_err", "hostgal_photoz_err"):
            if name in curves.facts:
                yield "redshift_error", np.where(np.isnan(redshift), np.nan, curves.facts[name])
        modulus = distance_modulus(np.maximum(redshift, 0.01))
        yield "absolute_magnitude", -2.5 * np.log10(shapes.scale) - modulus
    if "mwebv" in curves.facts:
        yield "mwebv", curves.facts["mwebv"]
    yield "time_scale", shapes.time_scale
    yield "likelihood", shapes.likelihood
    yield "points", curves.observations.counts
    for least in (3, 5):
        yield f"points_above_{least}", _per(seen, (signal > least).astype(float))
    yield "largest_signal", _extreme(seen, signal)
    yield "days_before_peak", shapes.peak + _extreme(seen, -seen.time)
    yield "days_after_peak", _extreme(seen, seen.time) - shapes.peak


def _of_band(curves: LightCurves, shapes: Shapes, number: int, band: str) -> dict[str, np.ndarray]:
    flux = shapes.flux[:, number]
    place = flux.argmax(1)
    peak = np.maximum(flux.max(1), _FLOOR)
    rise, fall = _widths(flux, place, peak)
    found = {
        f"peak_{band}": peak,
        f"peak_day_{band}": DAYS[place],
        f"rise_{band}": rise,
        f"fall_{band}": fall,
        f"peak_error_{band}": shapes.peak_error[:, number] / peak,
    }
    redshift = curves.redshift()
    if not np.isnan(redshift).all():
        modulus = distance_modulus(np.maximum(redshift, 0.01))
        found[f"absolute_magnitude_{band}"] = -2.5 * np.log10(peak * shapes.scale) - modulus
        found[f"rest_rise_{band}"] = rise / (1 + redshift)
        found[f"rest_fall_{band}"] = fall / (1 + redshift)
    for day in _AFTER:
        found[f"flux_{band}_{day:+d}"] = flux[:, _ZERO + round(day / _STEP)] / peak
    return found | _scatter(curves.observations, number, band)


def _widths(flux: np.ndarray, place: np.ndarray, peak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the days from half the peak to the peak, and from there to half of it again."""
    columns = np.arange(flux.shape[1])
    low = flux <= 0.5 * peak[:, None]
    before = np.where(low & (columns < place[:, None]), columns, -1).max(1)
    after = np.where(low & (columns > place[:, None]), columns, flux.shape[1]).min(1)
    return (place - before) * _STEP, (after - place) * _STEP


def _scatter(seen: Observations, number: int, band: str) -> dict[str, np.ndarray]:
    """Counts, chi-square against a constant flux, and skewness of a band's observations."""
    assert seen.error is not None
    mine = seen.channel == number
    weight = np.where(mine, seen.error**-2.0, 0.0)
    count = _per(seen, mine.astype(float))
    safe = np.maximum(count, 1.0)
    mean = _per(seen, weight * seen.value) / np.maximum(_per(seen, weight), 1e-30)
    off = np.where(mine, seen.value - mean[seen.sample], 0.0)
    spread = np.sqrt(_per(seen, off**2) / safe)
    cubed = _per(seen, (off / np.maximum(spread, 1e-12)[seen.sample]) ** 3) / safe
    return {
        f"points_{band}": count,
        f"chi_square_{band}": np.where(count > 0, _per(seen, weight * off**2) / safe, np.nan),
        f"skewness_{band}": np.where(count > 2, cubed, np.nan),
    }


def _colours(shapes: Shapes, left: int, right: int, name: str) -> dict[str, np.ndarray]:
    blue, red = shapes.flux[:, left], shapes.flux[:, right]
    peaks = (np.maximum(flux.max(1), _FLOOR) for flux in (blue, red))
    found = {f"colour_{name}": np.log10(next(peaks) / next(peaks))}
    for day in _COLOURS:
        # magnitudes would not stand fluxes around zero: Lupton et al. 1999
        one, two = (np.arcsinh(20 * flux[:, _ZERO + round(day / _STEP)]) for flux in (blue, red))
        found[f"colour_{name}_{day:+d}"] = one - two
    return found


def _per(seen: Observations, values: np.ndarray) -> np.ndarray:
    """Sum values over the observations of each sample."""
    return np.bincount(seen.sample, values, minlength=len(seen))


def _extreme(seen: Observations, values: np.ndarray) -> np.ndarray:
    """Give the largest value of each sample; every one has an observation."""
    return np.asarray(np.maximum.reduceat(values, seen.offset[:-1]))
