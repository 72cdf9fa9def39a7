"""The function of Bazin et al. (2009, A&A 499, 653) fitted to each band of a light curve."""

from __future__ import annotations

import numpy as np

from archloom.sources._curves import LightCurves

_NAMES = ("amplitude", "shift", "fall", "rise", "chi_square")
_LEAST = 6
_STEPS = 60


def bazin(time: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Give `A exp(-(t - t0) / fall) / (1 + exp(-(t - t0) / rise))`; the times are logarithms.

    >>> bool(bazin(np.array([0.0]), np.array([2.0, 0.0, 3.0, 1.0]))[0] == 1.0)
    True
    """
    amplitude, shift, fall, rise = parameters
    past = time - shift
    rising = np.clip(-past * np.exp(-rise), -50.0, 50.0)
    falling = np.clip(-past * np.exp(-fall), -50.0, 50.0)
    return np.asarray(amplitude * np.exp(falling) / (1.0 + np.exp(rising)))


def bazin_features(curves: LightCurves, peak: np.ndarray) -> dict[str, np.ndarray]:
    """Give the fitted parameters of each band, NaN where there are fewer than six points.

    Amplitudes are in units of the band's largest flux, the shift is in days from `peak`, rise and
    fall are logarithms of days, and chi-square is a point.
    """
    from scipy.optimize import least_squares  # takes a while to import, and only this needs it

    seen = curves.observations
    assert seen.error is not None
    found = np.full((len(curves), len(curves.bands), len(_NAMES)), np.nan)
    low, high = np.array([0.0, -60.0, 0.5, -1.0]), np.array([50.0, 60.0, 6.0, 4.0])
    start = np.array([2.0, 0.0, 3.3, 1.5])
    for index in range(len(curves)):
        rows = np.arange(seen.offset[index], seen.offset[index + 1])
        for band in range(len(curves.bands)):
            mine = rows[seen.channel[rows] == band]
            if len(mine) < _LEAST:
                continue
            largest = max(float(seen.value[mine].max()), float(np.median(seen.error[mine])))
            time = seen.time[mine] - peak[index]
            value, error = seen.value[mine] / largest, seen.error[mine] / largest

            def off(
                parameters: np.ndarray,
                time: np.ndarray = time,
                value: np.ndarray = value,
                error: np.ndarray = error,
            ) -> np.ndarray:
                return np.asarray((bazin(time, parameters) - value) / error)

            fitted = least_squares(off, start, bounds=(low, high), max_nfev=_STEPS)
            found[index, band] = [*fitted.x, 2 * fitted.cost / len(mine)]
    return {
        f"bazin_{name}_{band}": found[:, number, place]
        for number, band in enumerate(curves.bands)
        for place, name in enumerate(_NAMES)
    }
