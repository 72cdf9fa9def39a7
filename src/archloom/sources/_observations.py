"""Observations: values at irregular times, of several channels, for each of many samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from archloom.errors import DataError

_PARTS = ("time", "value", "error", "channel")


@dataclass(frozen=True, eq=False)
class Observations:
    """Rows `offset[i]:offset[i + 1]` of the flat arrays belong to sample i.

    `error` is None where none is known, `channel` holds indices into `names`.

    >>> two = Observations.of([([0.0, 3.0], [1.0, 2.0]), ([1.0], [5.0])])
    >>> len(two), two.take(np.array([1])).value.tolist()
    (2, [5.0])
    """

    offset: np.ndarray
    time: np.ndarray
    value: np.ndarray
    error: np.ndarray | None
    channel: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.offset) - 1

    @property
    def sample(self) -> np.ndarray:
        """The sample of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.offset))

    @property
    def counts(self) -> np.ndarray:
        """How many rows each sample has."""
        return np.asarray(np.diff(self.offset))

    def take(self, index: np.ndarray) -> Observations:
        """Give the samples at `index`."""
        counts = self.counts[index]
        offset = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.offset[index] - offset[:-1], counts) + np.arange(offset[-1])
        return self._rows(rows, offset)

    def where(self, keep: np.ndarray) -> Observations:
        """Give the rows for which `keep` is true, of all samples."""
        counts = np.bincount(self.sample[keep], minlength=len(self))
        return self._rows(np.flatnonzero(keep), np.concatenate([[0], np.cumsum(counts)]))

    def _rows(self, rows: np.ndarray, offset: np.ndarray) -> Observations:
        return Observations(
            offset,
            self.time[rows],
            self.value[rows],
            None if self.error is None else self.error[rows],
            self.channel[rows],
            self.names,
        )

    def shifted(self, start: np.ndarray, stretch: np.ndarray | float = 1.0) -> Observations:
        """Give the same with each sample's times counted from its `start`, in units `stretch`."""
        each = np.broadcast_to(stretch, (len(self),))[self.sample]
        return replace(self, time=(self.time - start[self.sample]) / each)

    @classmethod
    def of(cls, samples: Sequence[Any], names: Sequence[str] | None = None) -> Observations:
        """Take (times, values[, errors[, channels]]) or a dict of these for each sample.

        Values of shape (L, C) are C channels at the same times. Channels are numbers or text;
        `names` fixes which there are. Values that are NaN count as not observed.

        Raises:
            DataError: for lengths that differ, times that are not finite, errors that are not
                positive, and channels that are not in `names`.
        """
        parts = [_record(sample, index) for index, sample in enumerate(samples)]
        counts = np.array([len(part["time"]) for part in parts], dtype=np.int64)
        with_error = {"error" in part for part in parts}
        if len(with_error) > 1:
            raise DataError("Either every sample has errors or none has, got both.")
        flat = {
            key: np.concatenate([part[key] for part in parts]) if parts else np.empty(0)
            for key in _PARTS
            if key != "error" or True in with_error
        }
        known, channel = _channels(flat["channel"], names)
        found = cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            flat["time"].astype(np.float64),
            flat["value"].astype(np.float64),
            flat["error"].astype(np.float64) if "error" in flat else None,
            channel,
            known,
        )
        return checked(found)


def checked(found: Observations) -> Observations:
    """Leave out rows without a value. Raises `DataError` for values that cannot be meant."""
    present = ~np.isnan(found.value)
    if found.error is not None:
        present &= ~np.isnan(found.error)
    if not present.all():
        found = found.where(present)
    for name, values in (("time", found.time), ("value", found.value), ("error", found.error)):
        bad = np.flatnonzero(~np.isfinite(found.time if values is None else values))
        if len(bad):
            raise DataError(
                f"A series needs finite numbers: sample {found.sample[bad[0]]} has a {name} that "
                f"is not ({len(bad)} such). Leave those observations out."
            )
    bad = np.flatnonzero(np.ones(0) if found.error is None else found.error <= 0)
    if found.error is not None and len(bad):
        raise DataError(
            f"Errors must be positive: sample {found.sample[bad[0]]} has one of "
            f"{found.error[bad[0]]:g} ({len(bad)} such). Leave those observations out."
        )
    return found


def bin_means(
    found: Observations, start: float, end: float, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average each channel in `length` equal bins of time, weighted by 1 / error^2.

    Gives values, their errors and the numbers of observations, each (n, channels, length);
    values and errors are 0 where there is no observation. Without errors each counts 1.

    >>> one = Observations.of([([0.5, 0.6, 2.5], [1.0, 3.0, 7.0])])
    >>> bin_means(one, 0.0, 3.0, 3)[0].tolist()
    [[[2.0, 0.0, 7.0]]]
    """
    place = np.floor((found.time - start) * (length / (end - start)))
    inside = (place >= 0) & (place < length)
    shape = (len(found), len(found.names), length)
    cell = np.ravel_multi_index(
        (found.sample[inside], found.channel[inside], place[inside].astype(np.int64)), shape
    )
    value = found.value[inside]
    weight = np.ones_like(value) if found.error is None else found.error[inside] ** -2.0

    def total(numbers: np.ndarray) -> np.ndarray:
        return np.bincount(cell, numbers, minlength=int(np.prod(shape))).reshape(shape)

    weights, count = total(weight), total(np.ones_like(value))
    safe = np.where(count > 0, weights, 1.0)
    mean = total(weight * value) / safe
    return mean, np.where(count > 0, safe**-0.5, 0.0), count


def interpolated(
    found: Observations, start: float, end: float, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw straight lines between observations, read at the middles of `length` equal steps.

    Gives values and a mask, each (n, channels, length): the mask is 1 from a channel's first to
    its last observation and half a step beyond, and the values are 0 elsewhere.

    >>> one = Observations.of([([0.0, 2.0], [0.0, 4.0])])
    >>> [part.tolist() for part in interpolated(one, 0.0, 4.0, 4)]
    [[[[1.0, 3.0, 4.0, 0.0]]], [[[1.0, 1.0, 1.0, 0.0]]]]
    """
    shape = (len(found), len(found.names), length)
    values, mask = np.zeros(shape), np.zeros(shape)
    step = (end - start) / length
    middles = start + step * (np.arange(length) + 0.5)
    # one sort puts every (sample, channel) in one piece, in order of time
    order = np.lexsort((found.time, found.channel, found.sample))
    group = found.sample[order] * shape[1] + found.channel[order]
    cuts = np.flatnonzero(np.diff(group)) + 1
    for rows in np.split(order, cuts) if len(order) else []:
        times, place = found.time[rows], (found.sample[rows[0]], found.channel[rows[0]])
        known = (middles >= times[0] - step / 2) & (middles <= times[-1] + step / 2)
        mask[place] = known
        values[place] = np.where(known, np.interp(middles, times, found.value[rows]), 0.0)
    return values, mask


def _record(sample: Any, index: int) -> dict[str, np.ndarray]:
    if isinstance(sample, Mapping):
        given = dict(sample)
        if unknown := sorted(set(given) - set(_PARTS)):
            raise DataError(
                f"An irregular series has {', '.join(_PARTS)}, sample {index} has "
                f"{', '.join(map(repr, unknown))}."
            )
    else:
        given = dict(zip(_PARTS, sample, strict=False))
    if not {"time", "value"} <= given.keys():
        raise DataError(
            f"An irregular series needs times and values, sample {index} has "
            f"{', '.join(given) or 'nothing'}."
        )
    record = {key: np.asarray(part) for key, part in given.items() if part is not None}
    if record["value"].ndim == 2:
        record = _unrolled(record, index)
    record.setdefault("channel", np.zeros(len(record["value"]), dtype=np.int64))
    lengths = {key: part.shape for key, part in record.items()}
    if len(set(lengths.values())) > 1 or record["time"].ndim != 1:
        raise DataError(
            f"Times, values, errors and channels of a sample must have one length, sample {index} "
            f"has {lengths}."
        )
    return record


def _unrolled(record: Mapping[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    length, width = record["value"].shape
    if "channel" in record or len(record["time"]) != length:
        raise DataError(
            f"Values of shape (L, C) need L times and no channels, sample {index} has values of "
            f"shape {(length, width)} and {len(record['time'])} times."
        )
    flat = {key: part.reshape(-1) for key, part in record.items() if key != "time"}
    return {
        **flat,
        "time": np.repeat(record["time"], width),
        "channel": np.tile(np.arange(width), length),
    }


def _channels(
    channel: np.ndarray, names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    if channel.dtype.kind in "iuf":
        numbers = channel.astype(np.int64)
        if len(numbers) and numbers.min() < 0:
            raise DataError(f"Channels are numbered from 0, got {numbers.min()}.")
        highest = int(numbers.max()) if len(numbers) else 0
        known = tuple(names or map(str, range(highest + 1)))
        if highest >= len(known):
            raise DataError(
                f"There is no channel {highest}: {len(known)} are known ({', '.join(known)})."
            )
        return known, numbers
    text = channel.astype(str)
    known = tuple(names or np.unique(text).tolist())
    index = {name: number for number, name in enumerate(known)}
    strange = sorted(set(text.tolist()) - set(index))
    if strange:
        raise DataError(f"There is no channel {strange[0]!r}: known are {', '.join(known)}.")
    return known, np.array([index[name] for name in text], dtype=np.int64)
