"""The shape of each light curve: a Gaussian process read on grids of days around its peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archloom.sources._curves import LightCurves
from archloom.sources._gaussian_process import Process, fit_process, wavelengths
from archloom.sources._observations import Observations

DAYS = np.arange(-60.0, 140.0, 2.0)
"""The days from its peak on which a light curve's shape is read."""

_DETECTED = 5.0


@dataclass(frozen=True, eq=False)
class Shapes:
    """Fluxes in units of `scale`, the peak flux summed over the bands.

    `flux` (n, bands, days) is read on `DAYS` from the time `peak`. `grid_flux` and `grid_error`
    (n, bands, steps) are read on the grid that was asked for, from the time `origin`.
    `peak_error` (n, bands) is the uncertainty at the peak; `time_scale` in days and `likelihood`
    for each point are those of the process.
    """

    flux: np.ndarray
    grid_flux: np.ndarray
    grid_error: np.ndarray
    peak_error: np.ndarray
    scale: np.ndarray
    peak: np.ndarray
    origin: np.ndarray
    time_scale: np.ndarray
    likelihood: np.ndarray


def shapes_of(curves: LightCurves, grid: np.ndarray, align: str = "peak") -> Shapes:
    """Fit each light curve, find its peak, and read it on `DAYS` and on a grid.

    The peak is where the flux, summed over the bands, is largest within the observed time. The
    grid counts from there or, with `align="first"`, from the first observation of which the flux
    is five times its error.
    """
    seen, count = curves.observations, len(curves)
    waves = wavelengths(curves.bands)
    flux = np.empty((count, len(waves), len(DAYS)))
    grid_flux = np.empty((count, len(waves), len(grid)))
    grid_error = np.empty_like(grid_flux)
    peak_error = np.empty((count, len(waves)))
    facts = np.empty((count, 5))
    for index in range(count):
        fitted, noise = _fitted(seen, index, waves)
        peak, scale = _peak(fitted, waves)
        scale = max(scale, noise)  # an object without a positive flux has the scale of its noise
        origin = peak if align == "peak" else _first(seen, index)
        flux[index] = fitted.mean(peak + DAYS, waves) / scale
        peak_error[index] = fitted.read(np.array([peak]), waves)[1][:, 0] / scale
        read = fitted.read(origin + grid, waves)
        grid_flux[index], grid_error[index] = read[0] / scale, read[1] / scale
        facts[index] = (scale, peak, origin, fitted.scale, fitted.likelihood)
    return Shapes(flux, grid_flux, grid_error, peak_error, *facts.T)


def distance_modulus(redshift: np.ndarray) -> np.ndarray:
    """Give m - M for a redshift, in a flat universe of 70 km/s/Mpc and 30 % matter.

    >>> distance_modulus(np.array([0.5])).round(1).tolist()
    [42.3]
    """
    steps = np.linspace(0.0, 6.0, 6001)
    rate = 1.0 / np.sqrt(0.3 * (1 + steps) ** 3 + 0.7)
    distance = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * np.diff(steps))])
    megaparsec = np.interp(redshift, steps, distance) * (1 + redshift) * 299_792.458 / 70.0
    return np.asarray(5 * np.log10(np.maximum(megaparsec, 1e-6)) + 25)


def _fitted(seen: Observations, index: int, waves: np.ndarray) -> tuple[Process, float]:
    """Give the process of one object, and the usual error of its fluxes."""
    rows = slice(seen.offset[index], seen.offset[index + 1])
    assert seen.error is not None
    error = seen.error[rows]
    wave = waves[seen.channel[rows]]
    fitted = fit_process(seen.time[rows], seen.value[rows], error, wave)
    return fitted, float(np.median(error))


def _peak(fitted: Process, waves: np.ndarray) -> tuple[float, float]:
    places = np.arange(fitted.time.min(), fitted.time.max() + 1.0)
    total = fitted.mean(places, waves).sum(0)
    best = int(np.argmax(total))
    return float(places[best]), float(total[best])


def _first(seen: Observations, index: int) -> float:
    rows = slice(seen.offset[index], seen.offset[index + 1])
    assert seen.error is not None
    time = seen.time[rows]
    bright = seen.value[rows] >= _DETECTED * seen.error[rows]
    return float(time[bright].min() if bright.any() else time.min())
