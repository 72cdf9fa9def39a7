"""Light curves as they were observed: fluxes by object, time and band, and facts of each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError, did_you_mean
from archloom.sources._columns import Columns, columns_of, missing, numbers_of
from archloom.sources._observations import Observations, checked
from archloom.sources._read_npz import read_npz
from archloom.sources._read_table import read_table

LIGHT_CURVE_INPUTS = (
    *("host_photoz", "host_photoz_err", "hostgal_photoz", "hostgal_photoz_err"),
    *("mwebv", "ddf", "ddf_bool", "ra", "dec", "decl", "gal_l", "gal_b", "distmod"),
)
"""Facts of an object that are known without knowing what it is: these may be inputs."""

_PHOTOMETRIC = LIGHT_CURVE_INPUTS[:4]
_SURVEY = ("ddf", "ddf_bool")
_LABELS = ("type", "target", "class", "label")
_SPECTROSCOPIC = ("hostgal_specz", "redshift_spec", "sntype_spec")
_TRUTH = ("sim_", "true_", "tflux_")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "object": ("object_id", "object", "snid", "id"),
    "time": ("mjd", "time"),
    "band": ("passband", "band", "filter"),
    "flux": ("flux",),
    "error": ("flux_err", "flux_error", "fluxerr", "error"),
    "detected": ("detected", "detected_bool"),
}
_PASSBANDS = ("u", "g", "r", "i", "z", "y")
_TIMES_OF_ALL = ("offset", "mjd", "band", "band_name", "flux", "flux_err")

# Kessler et al. 2019 (PASP 131, 094501): the models behind PLAsTiCC's class numbers
_PLASTICC = {
    6: "microlens",
    15: "TDE",
    16: "EB",
    42: "II",
    52: "Iax",
    53: "Mira",
    62: "Ibc",
    64: "KN",
    65: "M-dwarf",
    67: "Ia-91bg",
    88: "AGN",
    90: "Ia",
    92: "RRL",
    95: "SLSN-I",
}


@dataclass(frozen=True, eq=False)
class LightCurves:
    """Objects with their observations (value: flux, channel: band), identifiers and facts."""

    observations: Observations
    ids: np.ndarray
    facts: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.observations)

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the bands."""
        return self.observations.names

    def take(self, index: np.ndarray) -> LightCurves:
        """Give the objects at `index`."""
        facts = {name: column[index] for name, column in self.facts.items()}
        return LightCurves(self.observations.take(index), self.ids[index], facts)

    def in_bands(self, bands: Sequence[str]) -> LightCurves:
        """Give the same with the bands in that order. Raises `DataError` for one not in it."""
        seen = self.observations
        if seen.names == tuple(bands):
            return self
        present = {seen.names[number] for number in np.unique(seen.channel).tolist()}
        strange = sorted(present - set(bands))
        if strange:
            raise DataError(
                f"There is no band {strange[0]!r}: those fitted are {', '.join(bands)}."
            )
        order = [bands.index(name) if name in bands else 0 for name in seen.names]
        channel = np.array(order, dtype=np.int64)[seen.channel]
        found = replace(seen, channel=channel, names=tuple(bands))
        return LightCurves(found, self.ids, self.facts)

    def without_redshift(self) -> LightCurves:
        """Give the same without what is known of the distance."""
        away = (*_PHOTOMETRIC, "distmod", *_SPECTROSCOPIC)
        facts = {name: column for name, column in self.facts.items() if name not in away}
        return LightCurves(self.observations, self.ids, facts)

    @classmethod
    def of(
        cls,
        samples: Sequence[Any],
        *,
        bands: Sequence[str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> LightCurves:
        """Take (times, fluxes, errors, bands) for each object, and columns of facts.

        >>> len(LightCurves.of([([0.0, 1.0], [2.0, 3.0], [0.1, 0.1], ["g", "r"])]))
        1
        """
        found = Observations.of(samples, bands)
        if found.error is None:
            raise DataError("Light curves need the error of every flux, got none.")
        columns = {} if facts is None else dict(columns_of(facts).values)
        return cls(found, np.arange(len(found)), columns)

    def redshift(self) -> np.ndarray:
        """Give the photometric redshift of each host, NaN where there is none."""
        for name in _PHOTOMETRIC[::2]:
            if name in self.facts:
                known = self.facts[name].astype(np.float64)
                return np.where(known > 0, known, np.nan)
        return np.full(len(self), np.nan)


def read_light_curves(
    source: Any, metadata: Any = None, *, label: str | None = None
) -> tuple[LightCurves, np.ndarray | None]:
    """Read observations and, joined by object, metadata; give light curves and labels or None.

    `source` is a table (a file or frame) with a row an observation: object, time, band, flux and
    error under the names of PLAsTiCC or plain ones. `metadata` is one with a row an object. Or
    `source` is an `.npz` file in the layout of the SPCC subset, which holds both. `label` names the
    column of the classes where it is not type, target, class or label.

    Raises:
        DataError: for missing columns, objects without metadata, and broken files.
    """
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".npz":
        return _from_npz(Path(source), label)
    rows = source if isinstance(source, Columns) else _table(source)
    names = {part: _column(rows, part) for part in _NAMES}
    for part, name in names.items():
        if name is None and part != "detected":
            raise DataError(
                f"Light curves need a column for the {part} ({' or '.join(_NAMES[part])}), the "
                f"table has: {', '.join(rows.values)}."
            )
    ids, sample = np.unique(rows.values[str(names["object"])], return_inverse=True)
    order = np.argsort(sample, kind="stable")
    counts = np.bincount(sample, minlength=len(ids))
    bands, channel = _bands(rows.values[str(names["band"])])
    flat = {
        part: numbers_of(rows.values[str(names[part])], "number", str(names[part]))[order]
        for part in ("time", "flux", "error")
    }
    found = checked(
        Observations(
            np.concatenate([[0], np.cumsum(counts)]),
            flat["time"],
            flat["flux"],
            flat["error"],
            channel[order],
            bands,
        )
    )
    facts = {} if metadata is None else _joined(_table(metadata), ids)
    return _labelled(LightCurves(found, ids, facts), label)


def static_columns(facts: Mapping[str, Any], asked: Any, featured: bool) -> tuple[str, ...]:
    """Give the facts that are inputs: the usual ones, or those asked for if they may be.

    With `featured`, redshift and extinction are among the features already.

    Raises:
        DataError: for one that does not exist, or that is the truth of a simulation.
    """
    if asked is None:
        usual = _SURVEY if featured else (*_PHOTOMETRIC, "mwebv", *_SURVEY)
        return tuple(name for name in usual if name in facts)
    for name in asked:
        if name.startswith(_TRUTH) or name in (*_LABELS, "sntype_spec"):
            raise DataError(
                f"{name!r} says what the object is, which no telescope knows: it is never an "
                f"input. Those that are: {', '.join(n for n in LIGHT_CURVE_INPUTS if n in facts)}."
            )
        if name not in facts:
            raise DataError(f"There is no {name!r} in the metadata: {did_you_mean(name, facts)}.")
    return tuple(asked)


def _table(source: Any) -> Columns:
    return read_table(source) if isinstance(source, str | Path) else columns_of(source)


def _column(rows: Columns, part: str) -> str | None:
    lower = {name.lower(): name for name in rows.values}
    return next((lower[name] for name in _NAMES[part] if name in lower), None)


def _bands(column: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    if column.dtype.kind in "iuf":
        numbers = column.astype(np.int64)
        if len(numbers) and numbers.min() >= 0 and numbers.max() < len(_PASSBANDS):
            return _PASSBANDS, numbers
    text = column.astype(str)
    names = np.unique(text).tolist()
    known = [band for band in "ugrizyY" if band in names]
    order = known if len(known) == len(names) else names
    index = {name: number for number, name in enumerate(order)}
    return tuple(order), np.array([index[name] for name in text], dtype=np.int64)


def _joined(metadata: Columns, ids: np.ndarray) -> dict[str, np.ndarray]:
    name = _column(metadata, "object")
    if name is None:
        raise DataError(
            f"Metadata need a column for the object ({' or '.join(_NAMES['object'])}), they have: "
            f"{', '.join(metadata.values)}."
        )
    row = {key: index for index, key in enumerate(metadata.values[name].tolist())}
    without = [key for key in ids.tolist() if key not in row]
    if without:
        raise DataError(
            f"Every object needs a row of metadata, {len(without)} of {len(ids)} have none, the "
            f"first is {without[0]}."
        )
    index = np.array([row[key] for key in ids.tolist()], dtype=np.int64)
    return {key: column[index] for key, column in metadata.values.items() if key != name}


def _from_npz(path: Path, label: str | None) -> tuple[LightCurves, np.ndarray | None]:
    arrays = read_npz(path, needs=_TIMES_OF_ALL, what="light curves")
    offset = arrays["offset"].astype(np.int64)
    rows = len(arrays["mjd"])
    if offset.ndim != 1 or len(offset) < 2 or offset[0] or offset[-1] != rows:
        raise DataError(
            f"The offsets of light curves run from 0 to the {rows} observations, those of {path} "
            f"do not."
        )
    found = checked(
        Observations(
            offset,
            arrays["mjd"].astype(np.float64),
            arrays["flux"].astype(np.float64),
            arrays["flux_err"].astype(np.float64),
            arrays["band"].astype(np.int64),
            tuple(arrays["band_name"].astype(str).tolist()),
        )
    )
    count = len(offset) - 1
    facts = {
        key: column
        for key, column in arrays.items()
        if key not in _TIMES_OF_ALL and column.shape == (count,)
    }
    ids = next((facts.pop(name) for name in _NAMES["object"] if name in facts), np.arange(count))
    return _labelled(LightCurves(found, ids, facts), label)


def _labelled(curves: LightCurves, label: str | None) -> tuple[LightCurves, np.ndarray | None]:
    name = label or next((name for name in _LABELS if name in curves.facts), None)
    if name is None:
        return curves, None
    if name not in curves.facts:
        raise DataError(
            f"There is no {name!r} in the metadata: {did_you_mean(name, curves.facts)}."
        )
    labels = curves.facts[name]
    if len(bad := np.flatnonzero(missing(labels))):
        raise DataError(f"{len(bad)} of {len(labels)} objects have no {name}.")
    facts = {key: column for key, column in curves.facts.items() if key not in (*_LABELS, name)}
    if labels.dtype.kind in "iu" and set(labels.tolist()) <= set(_PLASTICC):
        labels = np.array([_PLASTICC[number] for number in labels.tolist()])
    return LightCurves(curves.observations, curves.ids, facts), labels.astype(str)
