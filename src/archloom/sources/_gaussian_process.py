"""A Gaussian process over time and wavelength: the light curve between and beside observations.

Boone 2019 (AJ 158, 257, "Avocado") won the PLAsTiCC challenge with this description of a light
curve: a Matern kernel in both axes, the wavelength scale fixed at 6000 Angstrom. Here the time
scale is the likeliest of a few, so that thousands of curves take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError, cholesky

TIME_SCALES = (7.0, 14.0, 25.0, 45.0, 90.0)
"""The time scales that are tried, in days."""

_WAVELENGTH_SCALE = 6000.0
_ROOT3 = 3.0**0.5
_WAVELENGTHS = {
    "u": 3670.0,
    "g": 4827.0,
    "r": 6223.0,
    "i": 7546.0,
    "z": 8691.0,
    "y": 9712.0,
    "B": 4361.0,
    "V": 5448.0,
    "R": 6407.0,
    "I": 7980.0,
    "J": 12200.0,
    "H": 16300.0,
}


@dataclass(frozen=True)
class Process:
    """One light curve as a Gaussian process: `scale` in days, `likelihood` for each observation."""

    scale: float
    amplitude: float
    likelihood: float
    weights: np.ndarray
    factor: np.ndarray
    time: np.ndarray
    wave: np.ndarray

    def read(self, times: np.ndarray, waves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give mean and standard deviation at all times for all wavelengths, (waves, times)."""
        in_time, in_wave = self._kernels(times, waves)
        cross = (in_wave[:, None] * in_time).reshape(-1, len(self.time))
        half = _solve_lower(self.factor, cross.T)
        variance = np.maximum(self.amplitude**2 - (half**2).sum(0), 0.0)
        return self.mean(times, waves), np.sqrt(variance).reshape(len(waves), len(times))

    def mean(self, times: np.ndarray, waves: np.ndarray) -> np.ndarray:
        """Give the mean alone, which is much quicker."""
        in_time, in_wave = self._kernels(times, waves)
        return np.asarray((in_wave * self.weights) @ in_time.T)

    def _kernels(self, times: np.ndarray, waves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the two factors of the kernel between what is asked for and what was observed."""
        in_time = _matern(np.abs(times[:, None] - self.time) / self.scale)
        in_wave = _matern(np.abs(waves[:, None] - self.wave) / _WAVELENGTH_SCALE)
        return in_time, in_wave * self.amplitude**2


def wavelengths(bands: Sequence[str]) -> np.ndarray:
    """Give the effective wavelength of each band; bands of no known name lie side by side.

    >>> wavelengths(["g", "r"]).tolist()
    [4827.0, 6223.0]
    """
    if all(band in _WAVELENGTHS for band in bands):
        return np.array([_WAVELENGTHS[band] for band in bands])
    return 4500.0 + 1200.0 * np.arange(len(bands))


def fit_process(
    time: np.ndarray, value: np.ndarray, error: np.ndarray, wave: np.ndarray
) -> Process:
    """Fit one light curve: the amplitude from its best measured flux, the likeliest time scale.

    >>> days = np.arange(0.0, 60.0, 3.0)
    >>> bump = 100 * np.exp(-0.5 * ((days - 30) / 9) ** 2)
    >>> fitted = fit_process(days, bump, np.full(20, 2.0), np.full(20, 6223.0))
    >>> bool(abs(fitted.mean(np.array([30.5]), np.array([6223.0]))[0, 0] - 100) < 4)
    True
    """
    amplitude = float(np.abs(value[np.argmax(np.abs(value) / error)]))
    # a hundredth of the flux that no error bar knows of keeps bright objects from being rigid
    noise = error**2 + (0.01 * value) ** 2
    spectrum = _matern(np.abs(wave[:, None] - wave) / _WAVELENGTH_SCALE) * amplitude**2
    apart = np.abs(time[:, None] - time)
    best: Process | None = None
    for scale in TIME_SCALES:
        found = _solved(scale, amplitude, apart, spectrum, value, noise, time, wave)
        if best is None or found.likelihood > best.likelihood:
            best = found
    assert best is not None
    return best


def _solved(
    scale: float,
    amplitude: float,
    apart: np.ndarray,
    spectrum: np.ndarray,
    value: np.ndarray,
    noise: np.ndarray,
    time: np.ndarray,
    wave: np.ndarray,
) -> Process:
    kernel = _matern(apart / scale) * spectrum
    try:
        factor = cholesky(kernel + np.diag(noise))
    except LinAlgError:  # errors far below the rounding of the fluxes
        factor = cholesky(kernel + np.diag(noise + 1e-6 * amplitude**2))
    half = _solve_lower(factor, value)
    likelihood = -0.5 * float(half @ half) - float(np.log(np.diag(factor)).sum())
    weights = _solve_lower(factor, half, transposed=True)
    return Process(scale, amplitude, likelihood / len(value), weights, factor, time, wave)


def _solve_lower(factor: np.ndarray, right: np.ndarray, transposed: bool = False) -> np.ndarray:
    from scipy.linalg import solve_triangular  # takes a while to import, and only this needs it

    solution = solve_triangular(
        factor, right, lower=True, trans=int(transposed), check_finite=False
    )
    return np.asarray(solution)


def _matern(distance: np.ndarray) -> np.ndarray:
    """Matern 3/2."""
    scaled = _ROOT3 * distance
    return np.asarray((1.0 + scaled) * np.exp(-scaled))
