"""Light curves to tensors: each on a grid of days around its own peak, in units of its own flux."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._curves import LightCurves, read_light_curves, static_columns
from archloom.sources._encode_series import without_points
from archloom.sources._encode_table import TableEncoder
from archloom.sources._light_curve_features import features_of
from archloom.sources._light_curve_shapes import shapes_of
from archloom.sources._observations import bin_means
from archloom.task import Inputs

MODES = ("process", "bins")
ALIGNMENTS = ("peak", "first")
_SETTINGS = ("mode", "align", "start", "end", "length", "static", "features", "redshift", "asinh")


@final
class LightCurveEncoder:
    """Turns light curves into `series` (n, channels, length) and `static` (n, facts), float32.

    The grid of `length` steps runs from `start` to `end`, in days from each object's peak, or from
    its first significant detection (`align="first"`). Fluxes are in units of the object's own
    peak, whose logarithm is among the static facts; `asinh` compresses them.

    With `mode="process"` a Gaussian process over time and wavelength (Boone 2019) says the flux
    and its uncertainty everywhere: two channels a band. With `bins`, observations are averaged,
    weighted by their errors: a channel of values, one of errors and a mask a band.

    `static` lists columns of the metadata that are inputs, the photometric redshift and the like
    unless told otherwise; what says what the object is, is refused. `features` adds those of
    `light_curve_features`. `redshift=False` leaves out all that depends on the redshift.

    >>> days, errors, bands = [0, 4, 9, 20], [1, 1, 1, 1], ["g", "r", "g", "r"]
    >>> samples = [(days, flux, errors, bands) for flux in ([1, 9, 5, 1], [2, 7, 9, 4])]
    >>> curves = LightCurves.of(samples)
    >>> encoder = LightCurveEncoder(mode="bins", length=10, features=False).fit(curves)
    >>> {name: tuple(part.shape) for name, part in encoder.transform(curves).items()}
    {'series': (2, 6, 10), 'static': (2, 1)}
    """

    def __init__(
        self,
        *,
        mode: str = "process",
        align: str = "peak",
        start: float = -50.0,
        end: float = 110.0,
        length: int = 40,
        static: Sequence[str] | None = None,
        features: bool = True,
        redshift: bool = True,
        asinh: bool = False,
    ) -> None:
        for value, known, what in ((mode, MODES, "mode"), (align, ALIGNMENTS, "alignment")):
            if value not in known:
                raise ConfigError(
                    f"There is no {what} {value!r} for light curves: {did_you_mean(value, known)}."
                )
        if not start < end or length < 2:
            raise ConfigError(
                f"A grid runs from start to a later end in at least 2 steps, got {start:g} to "
                f"{end:g} in {length}."
            )
        self.mode = mode
        self.align = align
        self.start = start
        self.end = end
        self.length = length
        self.static = None if static is None else tuple(static)
        self.features = features
        self.redshift = redshift
        self.asinh = asinh
        self.notices: tuple[str, ...] = ()
        self._bands: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._facts = TableEncoder(numbers="quantile", one_hot=True)
        self._mean: tuple[float, ...] = ()
        self._std: tuple[float, ...] = ()

    def fit(self, X: Any, y: Any = None) -> LightCurveEncoder:
        """Learn bands, scales and static facts from training light curves; `y` is not used.

        Raises:
            DataError: for objects without an observation, and for static columns that are truth.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Inputs:
        """Learn from training light curves and give them as tensors: the processes fit once."""
        curves = self._curves(X)
        check_points(curves)
        self._bands = curves.bands
        self._columns = static_columns(curves.facts, self.static, self.features)
        series, facts = self._parts(curves)
        values = series[:, : self._values]
        # of bins, what was not observed stays 0
        mean = values.mean((0, 2)) * (self.mode == "process")
        self._mean, self._std = tuple(mean.tolist()), tuple(_not_zero(values.std((0, 2))).tolist())
        self._facts = TableEncoder(numbers="quantile", one_hot=True).fit(facts)
        counts = band_counts(curves)
        self.notices = (*without_points(counts, self._bands, "band"), *self._facts.notices)
        return self._scaled(series, facts)

    def transform(self, X: Any) -> Inputs:
        """Give light curves, or a file of them, as tensors.

        Raises:
            DataError: for other bands than those fitted, or facts that are missing.
        """
        if not self._bands:
            raise DataError("The encoder has seen no light curves: call fit before transform.")
        curves = self._curves(X).in_bands(self._bands)
        check_points(curves)
        lacking = [name for name in self._columns if name not in curves.facts]
        if lacking:
            raise DataError(
                f"The light curves that were fitted had {', '.join(map(repr, lacking))} in their "
                f"metadata, these have: {', '.join(curves.facts) or 'none'}."
            )
        return self._scaled(*self._parts(curves))

    def _curves(self, X: Any) -> LightCurves:
        curves = read_light_curves(X)[0] if isinstance(X, str | Path) else X
        if not isinstance(curves, LightCurves):
            raise DataError(
                f"Light curves come from read_light_curves or LightCurves.of, got "
                f"{type(X).__name__}."
            )
        return curves if self.redshift else curves.without_redshift()

    @property
    def _values(self) -> int:
        return 2 * len(self._bands)

    def _parts(self, curves: LightCurves) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Give the series and the facts of each object, both in natural units."""
        width = (self.end - self.start) / self.length
        grid = self.start + width * (np.arange(self.length) + 0.5)
        shapes = shapes_of(curves, grid, self.align)
        facts = {name: curves.facts[name] for name in self._columns}
        facts["log_scale"] = np.log10(shapes.scale)
        if self.features:
            table, names = features_of(curves, shapes)
            facts |= {name: table[:, place] for place, name in enumerate(names)}
        if self.mode == "process":
            flux, error = self._pressed(shapes.grid_flux), np.log(shapes.grid_error + 0.01)
            return np.concatenate([flux, error], 1), facts
        counted = curves.observations.shifted(shapes.origin)
        flux, error, count = bin_means(counted, self.start, self.end, self.length)
        scale = shapes.scale[:, None, None]
        return np.concatenate([self._pressed(flux / scale), error / scale, count > 0], 1), facts

    def _pressed(self, flux: np.ndarray) -> np.ndarray:
        return np.asarray(np.arcsinh(flux)) if self.asinh else flux

    def _scaled(self, series: np.ndarray, facts: Mapping[str, np.ndarray]) -> Inputs:
        mean, std = (np.array(part).reshape(-1, 1) for part in (self._mean, self._std))
        scaled = series.copy()
        scaled[:, : self._values] = (series[:, : self._values] - mean) / std
        static = self._facts.transform(facts)
        assert isinstance(static, torch.Tensor)
        return {"series": torch.from_numpy(scaled.astype(np.float32)), "static": static}

    @property
    def mask_channels(self) -> tuple[int, ...]:
        """The channels that are 1 where there is an observation and 0 where there is none."""
        if self.mode == "process":
            return ()
        return tuple(range(self._values, self._values + len(self._bands)))

    @property
    def hints(self) -> dict[str, Any]:
        """Which channels are masks, and the names of the static facts."""
        return {"mask_channels": list(self.mask_channels), "columns": list(self._facts.columns)}

    def to_json(self) -> dict[str, Any]:
        """Give settings and everything learned, as JSON can hold it."""
        return {
            "encoder": "light-curves",
            **{name: getattr(self, name) for name in _SETTINGS},
            "notices": list(self.notices),
            "bands": list(self._bands),
            "columns": list(self._columns),
            "facts": self._facts.to_json(),
            "mean": list(self._mean),
            "std": list(self._std),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LightCurveEncoder:
        """Give the encoder that `to_json` described.

        >>> curves = LightCurves.of([([0, 9], [1, 5], [1, 1]), ([0, 9], [4, 1], [1, 1])])
        >>> encoder = LightCurveEncoder(length=8).fit(curves)
        >>> LightCurveEncoder.from_json(encoder.to_json()).hints == encoder.hints
        True
        """
        encoder = cls(**{name: data[name] for name in _SETTINGS})
        encoder.notices = tuple(data["notices"])
        encoder._bands, encoder._columns = tuple(data["bands"]), tuple(data["columns"])
        encoder._facts = TableEncoder.from_json(data["facts"])
        encoder._mean, encoder._std = tuple(data["mean"]), tuple(data["std"])
        return encoder


def check_points(curves: LightCurves) -> None:
    """Raise `DataError` for an object without a single observation."""
    if not len(curves):
        raise DataError("Light curves need objects, got none.")
    empty = np.flatnonzero(curves.observations.counts == 0)
    if len(empty):
        named = ", ".join(map(str, curves.ids[empty[:5]].tolist()))
        raise DataError(
            f"Every object needs an observation, {len(empty)} of {len(curves)} have none ({named}"
            f"{', ...' if len(empty) > 5 else ''}): leave them out (drop_empty=True)."
        )


def band_counts(curves: LightCurves) -> np.ndarray:
    """Count the observations of each object in each band."""
    seen, bands = curves.observations, len(curves.bands)
    cells = np.bincount(seen.sample * bands + seen.channel, minlength=len(curves) * bands)
    return cells.reshape(-1, bands)


def _not_zero(std: np.ndarray) -> np.ndarray:
    return np.where(std > 1e-9, std, 1.0)
