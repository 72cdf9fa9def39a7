"""Series to tensors: a common grid for lengths and times that differ, and masks for the gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._encode_table import TableEncoder
from archloom.sources._observations import Observations, bin_means, interpolated
from archloom.sources._ragged import Ragged, padded, resampled, series_of
from archloom.sources._value_range import ValueRange
from archloom.task import Inputs

MODES = ("auto", "plain", "pad", "resample", "bins", "grid")
_FORMS: Mapping[str, tuple[str, ...]] = {
    "equal": ("plain", "resample"),
    "ragged": ("pad", "resample"),
    "irregular": ("bins", "grid"),
}
_LONGEST = 512
_BINS = 64


@dataclass(frozen=True)
class Gridded:
    """Values, and where known errors and a mask, each (n, channels, length) in natural units."""

    values: np.ndarray
    errors: np.ndarray | None = None
    mask: np.ndarray | None = None


@final
class SeriesEncoder:
    """Turns series of any form into float32 (n, channels, length), by the training series.

    - Arrays (n, L), (n, C, L) or (n, L, C) stay as they are; `layout` (`NCL`, `NLC`) says which
      where the shape does not. Values that are NaN get a mask channel.
    - A list of arrays (L_i,) or (L_i, C) of different lengths is filled up (`mode="pad"`, with a
      mask channel) to the 95th percentile of the lengths, at most 512, or drawn onto `length`
      points (`resample`).
    - Irregular times: each sample (times, values[, errors[, channels]]), or a dict of time, value,
      error, channel. Values are averaged in `length` bins from `start` to `end` (`mode="bins"`,
      weighted by the errors, which get channels of their own) or read off straight lines
      (`grid`), with a mask for each channel. `align` counts each sample's times from its `first`
      observation or its `peak`; without, they are taken as they are.

    Values are standardised by channel, over what was observed; gaps are 0. With {"series": ...,
    "static": table} the inputs are a dict, the table encoded by a `TableEncoder`.

    `hints` names the channels that are masks, `notices` counts what is not there.

    >>> encoder = SeriesEncoder().fit([[1.0, 2.0, 3.0], [4.0, 5.0]])
    >>> encoder.transform([[3.0]]).tolist()
    [[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]]
    >>> encoder.hints
    {'channels': 2, 'length': 3, 'mask_channels': [1]}
    """

    def __init__(
        self,
        *,
        mode: str = "auto",
        length: int | None = None,
        layout: str = "auto",
        start: float | None = None,
        end: float | None = None,
        align: str | None = None,
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"There is no mode {mode!r} for series: {did_you_mean(mode, MODES)}.")
        if length is not None and length < 1:
            raise ConfigError(f"A series needs a length of at least 1, got {length}.")
        if align not in (None, "first", "peak"):
            raise ConfigError(
                f"There is no alignment {align!r}: {did_you_mean(str(align), ('first', 'peak'))}."
            )
        if start is not None and end is not None and not start < end:
            raise ConfigError(f"A window of time ends after it starts, got {start:g} to {end:g}.")
        self.mode = mode
        self.length = length
        self.layout = layout
        self.start = start
        self.end = end
        self.align = align
        self.notices: tuple[str, ...] = ()
        self._static: TableEncoder | None = None
        self._fitted: dict[str, Any] = {}

    def check(self, X: Any) -> None:
        """Raise `DataError` for samples without a point, or with values that are not finite."""
        series, static = _apart(X)
        raw = series_of(series, self.layout)
        check_points(points_of(raw))
        if isinstance(raw, Ragged):
            raw.check_finite()
        if static is not None:
            TableEncoder(one_hot=True).check(static)

    def fit(self, X: Any, y: Any = None) -> SeriesEncoder:
        """Learn form, length, window and scale from training series; `y` is not used.

        Raises:
            DataError: for series without a point, infinite values, and ranks that do not fit.
        """
        series, static = _apart(X)
        raw = series_of(series, self.layout)
        form = _form(raw)
        mode = _FORMS[form][0] if self.mode == "auto" else self.mode
        if mode not in _FORMS[form]:
            raise ConfigError(
                f"Series of {form} times take the mode {' or '.join(_FORMS[form])}, got {mode!r}."
            )
        check_points(points_of(raw))
        self._fitted = {"form": form, "mode": mode, **self._learn(raw, mode)}
        grid = self._gridded(raw)
        self._fitted |= _scales(grid)
        self._fitted["masked"] = grid.mask is not None
        self._fitted["errors"] = grid.errors is not None
        self._fitted["range"] = ValueRange.of(_known(grid)).to_json()
        notices = _notices(raw)
        self._static = None
        if static is not None:
            self._static = TableEncoder(one_hot=True).fit(static)
            notices += self._static.notices
        self.notices = notices
        return self

    def _learn(self, raw: Any, mode: str) -> dict[str, Any]:
        if isinstance(raw, Observations):
            times = self._aligned(raw).time
            start = float(np.quantile(times, 0.005)) if self.start is None else self.start
            end = float(np.quantile(times, 0.995)) if self.end is None else self.end
            end = end if end > start else start + 1.0
            past = np.nextafter(end, np.inf)  # the last observation lies in the last bin
            window = {"start": start, "end": float(past), "length": self.length or _BINS}
            return {**window, "channels": len(raw.names), "names": list(raw.names)}
        if isinstance(raw, Ragged):
            typical = min(_LONGEST, int(np.ceil(np.quantile(raw.lengths, 0.95))))
            return {"channels": raw.channels, "length": self.length or typical}
        length = self.length if mode == "resample" and self.length else raw.shape[2]
        return {"channels": raw.shape[1], "length": length, "points": raw.shape[2]}

    def transform(self, X: Any) -> Inputs:
        """Give the series as tensors, in the form that was fitted.

        Raises:
            DataError: for series of another form, length or number of channels than those fitted.
        """
        if not self._fitted:
            raise DataError("The encoder has seen no series: call fit before transform.")
        series, static = _apart(X)
        if (static is None) != (self._static is None):
            had, has = ("a static table", "none") if self._static else ("none", "a static table")
            raise DataError(f"The series that were fitted had {had} beside them, these have {has}.")
        raw = series_of(series, self._layout_of(series), self._fitted.get("names"))
        self._check_alike(raw)
        check_points(points_of(raw))
        grid = self._gridded(raw)
        seen = ValueRange.from_json(self._fitted.get("range"))
        if seen is not None:
            seen.warn(_known(grid))
        tensor = torch.from_numpy(self._stacked(grid))
        if self._static is None:
            return tensor
        facts = self._static.transform(static)
        assert isinstance(facts, torch.Tensor)
        return {"series": tensor, "static": facts}

    def _layout_of(self, series: Any) -> str:
        """Give the layout of series to encode; lists of a ragged form are (length, channels)."""
        listed = self._fitted["form"] == "ragged" and isinstance(series, list | tuple)
        return "NLC" if listed and self.layout == "auto" else self.layout

    def _check_alike(self, raw: Any) -> None:
        form, fitted = _form(raw), self._fitted
        if form == "equal" and fitted["form"] == "ragged":
            if raw.shape[1] != fitted["channels"]:
                raise DataError(
                    f"The series that were fitted have {fitted['channels']} channels, these have "
                    f"{raw.shape[1]}."
                )
            return
        if form != fitted["form"]:
            raise DataError(
                f"The series that were fitted have {fitted['form']} times, these have {form} ones."
            )
        if isinstance(raw, np.ndarray):
            wanted = (fitted["channels"], fitted["points"])
            if raw.shape[1:] != wanted:
                raise DataError(
                    f"The series that were fitted have {wanted[0]} channels of {wanted[1]} points, "
                    f"these have {raw.shape[1]} of {raw.shape[2]}."
                )
        elif isinstance(raw, Ragged) and raw.channels != fitted["channels"]:
            raise DataError(
                f"The series that were fitted have {fitted['channels']} channels, these have "
                f"{raw.channels}."
            )

    def _aligned(self, raw: Observations) -> Observations:
        if self.align is None:
            return raw
        key = raw.time if self.align == "first" else -raw.value
        order = np.lexsort((key, raw.sample))
        first = order[np.minimum(raw.offset[:-1], len(order) - 1)]
        return raw.shifted(raw.time[first])

    def _gridded(self, raw: Any) -> Gridded:
        fitted = self._fitted
        length, mode = fitted["length"], fitted["mode"]
        if isinstance(raw, Observations):
            window = (fitted["start"], fitted["end"], length)
            if mode == "grid":
                values, mask = interpolated(self._aligned(raw), *window)
                return Gridded(values, None, mask)
            means, errors, counts = bin_means(self._aligned(raw), *window)
            return Gridded(means, None if raw.error is None else errors, (counts > 0).astype(float))
        if isinstance(raw, np.ndarray) and fitted["form"] == "ragged":
            raw = Ragged(list(raw.transpose(0, 2, 1)), raw.shape[1])
        if mode == "pad":
            return Gridded(*padded(raw, length))
        if mode == "resample":
            return Gridded(resampled(raw, length))
        absent = np.isnan(raw)
        if not absent.any() and not fitted.get("masked"):
            return Gridded(raw)
        if fitted.get("masked") is False:
            raise DataError(
                f"The series that were fitted had no gaps, these have {int(absent.sum())} values "
                f"that are NaN: fill them."
            )
        return Gridded(np.where(absent, 0.0, raw), None, (~absent).astype(float))

    def _stacked(self, grid: Gridded) -> np.ndarray:
        """Standardise what was observed, and put errors and masks behind the values."""
        mean = np.array(self._fitted["mean"]).reshape(-1, 1)
        std = np.array(self._fitted["std"]).reshape(-1, 1)
        known = np.ones_like(grid.values) if grid.mask is None else grid.mask
        parts = [np.where(known > 0, (grid.values - mean) / std, 0.0)]
        if grid.errors is not None:
            parts.append(grid.errors / std)
        if grid.mask is not None:
            parts.append(grid.mask)
        return np.concatenate(parts, axis=1).astype(np.float32)

    @property
    def mask_channels(self) -> tuple[int, ...]:
        """The channels that are 1 where there is a value and 0 where there is none."""
        if not self._fitted.get("masked"):
            return ()
        count = self._fitted["channels"]
        first = count * (1 + self._fitted["errors"])
        return tuple(range(first, first + (1 if self._fitted["mode"] == "pad" else count)))

    @property
    def hints(self) -> dict[str, Any]:
        """`channels` and `length` of the encoded series, and which channels are masks."""
        values = self._fitted["channels"] * (1 + self._fitted["errors"])
        hints = {"channels": values + len(self.mask_channels), "length": self._fitted["length"]}
        return {**hints, "mask_channels": list(self.mask_channels)}

    def to_json(self) -> dict[str, Any]:
        """Give settings and everything learned, as JSON can hold it."""
        settings = ("mode", "length", "layout", "start", "end", "align")
        return {
            "encoder": "series",
            **{name: getattr(self, name) for name in settings},
            "notices": list(self.notices),
            "fitted": self._fitted,
            "static": None if self._static is None else self._static.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesEncoder:
        """Give the encoder that `to_json` described.

        >>> encoder = SeriesEncoder().fit(np.arange(12.0).reshape(2, 2, 3))
        >>> twin = SeriesEncoder.from_json(encoder.to_json())
        >>> twin.hints
        {'channels': 2, 'length': 3, 'mask_channels': []}
        """
        settings = ("mode", "length", "layout", "start", "end", "align")
        encoder = cls(**{name: data[name] for name in settings})
        encoder.notices = tuple(data["notices"])
        encoder._fitted = dict(data["fitted"])
        if data["static"] is not None:
            encoder._static = TableEncoder.from_json(data["static"])
        return encoder


def _apart(X: Any) -> tuple[Any, Any]:
    """Give series and static table of {"series": ..., "static": ...}; of anything else itself."""
    if hasattr(X, "series") and hasattr(X, "static"):
        return X.series, X.static
    if isinstance(X, Mapping) and "series" in X:
        if strange := sorted(set(X) - {"series", "static"}):
            raise DataError(
                f"Series with facts of each sample are a dict of series and static, got "
                f"{strange[0]!r}."
            )
        return X["series"], X.get("static")
    return X, None


def _form(raw: Any) -> str:
    if isinstance(raw, Observations):
        return "irregular"
    return "ragged" if isinstance(raw, Ragged) else "equal"


def points_of(raw: Any) -> np.ndarray:
    """Count the points of each sample."""
    if isinstance(raw, np.ndarray):
        return np.asarray((~np.isnan(raw)).any(1).sum(1))
    return np.asarray(raw.counts if isinstance(raw, Observations) else raw.lengths)


def check_points(counts: np.ndarray) -> None:
    """Raise `DataError` for a sample without a single point."""
    if not len(counts):
        raise DataError("A series source needs samples, got none.")
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        named = ", ".join(map(str, empty[:5].tolist()))
        raise DataError(
            f"Every sample needs an observation, {len(empty)} of {len(counts)} have none (sample "
            f"{named}{' ...' if len(empty) > 5 else ''}): leave them out (drop_empty=True)."
        )


def _known(grid: Gridded) -> np.ndarray:
    """Give the values, NaN where there was nothing to see."""
    return grid.values if grid.mask is None else np.where(grid.mask > 0, grid.values, np.nan)


def _scales(grid: Gridded) -> dict[str, list[float]]:
    known = (
        np.ones_like(grid.values)
        if grid.mask is None
        else np.broadcast_to(grid.mask, grid.values.shape)
    )
    count = np.maximum(known.sum((0, 2)), 1.0)
    mean = (grid.values * known).sum((0, 2)) / count
    spread = ((grid.values - mean[:, None]) ** 2 * known).sum((0, 2)) / count
    std = np.sqrt(spread)
    std = np.where(std > 1e-9 * (np.abs(mean) + 1e-9), std, 1.0)
    return {"mean": mean.tolist(), "std": std.tolist()}


def _notices(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, np.ndarray):
        gaps = int(np.isnan(raw).sum())
        return (f"{gaps} values are NaN: they are masked.",) if gaps else ()
    if not isinstance(raw, Observations):
        return ()
    cells = np.bincount(
        raw.sample * len(raw.names) + raw.channel, minlength=len(raw) * len(raw.names)
    ).reshape(len(raw), -1)
    return without_points(cells, raw.names, "channel")


def without_points(cells: np.ndarray, names: Sequence[str], what: str) -> tuple[str, ...]:
    """Say for each channel how many samples have no observation in it; `cells` counts them."""
    empty = (cells == 0).sum(0).tolist()
    return tuple(
        f"{count} of {len(cells)} samples have no observation in {what} {name!r}: it is masked."
        for name, count in zip(names, empty, strict=True)
        if count
    )
