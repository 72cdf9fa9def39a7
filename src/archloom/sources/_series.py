"""Task from series: arrays, lists of different lengths, irregular times, and files of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError
from archloom.sources._array_file import is_array_file, read_arrays
from archloom.sources._columns import Columns, columns_of
from archloom.sources._encode_series import SeriesEncoder, check_points, points_of
from archloom.sources._encoded import encoded_task, take_samples
from archloom.sources._observations import Observations
from archloom.sources._ragged import array_of, series_of
from archloom.sources._read_series import read_series
from archloom.task import Task, existing, json_source


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """Series and, beside them, facts of each sample or None."""

    series: Any
    static: Columns | None

    def __len__(self) -> int:
        return len(self.series)

    def take(self, index: np.ndarray) -> SeriesTable:
        """Give the samples at `index`."""
        static = None if self.static is None else self.static.take(index)
        return SeriesTable(take_samples(self.series, index), static)


def from_series(
    X: Any,
    y: Any = None,
    *,
    static: Any = None,
    mode: str = "auto",
    length: int | None = None,
    layout: str = "auto",
    start: float | None = None,
    end: float | None = None,
    align: str | None = None,
    drop_empty: bool = False,
    target: str | None = None,
    sample: str | None = None,
    time: str | None = None,
    value: str | Sequence[str] | None = None,
    error: str | None = None,
    channel: str | None = None,
    predict: Any = None,
    valid: Any = 0.1,
    test: Any = None,
    seed: int = 0,
    **settings: Any,
) -> Task:
    """Give a task of series in any form that `SeriesEncoder` takes, which becomes its encoder.

    `static` is a table of facts of each sample, in any form that `from_table` takes; the inputs
    are then a dict of `series` and `static`. `drop_empty` leaves samples without a single
    observation out, which are an error otherwise. `mode` to `align` are those of `SeriesEncoder`,
    `predict` and further settings those of `from_arrays`, where `predict` is called `target`.

    `X` may be a file:

    - `.npz` with arrays X and y (or series and labels), and perhaps X_val, y_val, X_test, y_test
      and groups;
    - a CSV or Parquet table with a row a sample: the column `target`, all others one series;
    - one with a row an observation: `sample` names the column of the sample, `time`, `value` (one
      or several), `error` and `channel` those of the observation, `target` and the columns listed
      in `static` what is the same in all rows of a sample.

    Raises:
        DataError: for series and files that cannot be used; the message says where and what.

    >>> rng = np.random.default_rng(0)
    >>> X = [(np.sort(rng.random(9)), rng.random(9)) for _ in range(40)]
    >>> from_series(X, ["rise", "fall"] * 20, length=8, valid=0.2)
    Task('series', 32/8/0, shape=(2, 8), classes=2)
    """
    source = None
    options: dict[str, Any] = {"mode": mode, "length": length, "layout": layout}
    options |= {"start": start, "end": end, "align": align}
    if isinstance(X, str | Path):
        path = existing(X, "file of series")
        given = {
            **settings,
            **options,
            "static": static,
            "drop_empty": drop_empty,
            "target": target,
            "sample": sample,
            "time": time,
            "value": value,
            "error": error,
            "channel": channel,
            "predict": predict,
            "valid": valid,
            "test": test,
            "seed": seed,
        }
        source = json_source("series", X=path, **given)
        settings.setdefault("name", path.stem)
        if is_array_file(path):
            X, y, own = read_arrays(path, {"valid": valid, "test": test, **settings})
            valid, test = own.pop("valid"), own.pop("test")
            settings = {**own, **{k: v for k, v in settings.items() if v is not None}}
        else:
            names = {"time": time, "error": error, "channel": channel}
            X, y, static = read_series(path, target, sample, value, names, static)
    elif y is None:
        raise ConfigError("Series need targets: from_series(X, y), or a file.")
    settings.setdefault("name", "series")
    raw, y, notices = _whole(X, y, layout, static, drop_empty)
    return encoded_task(
        raw,
        y,
        SeriesEncoder(**options),
        kind="series" if static is None else {"series": "series", "static": "table"},
        target=predict,
        valid=_pair(valid, layout, raw),
        test=_pair(test, layout, raw),
        seed=seed,
        source=source,
        notices=notices,
        **settings,
    )


def _whole(
    X: Any, y: Any, layout: str, static: Any, drop_empty: bool
) -> tuple[SeriesTable, Any, list[str]]:
    series = series_of(X, layout)
    table = None if static is None else columns_of(static)
    if len(y) != len(series):
        raise DataError(f"Every series needs a target: {len(series)} series, {len(y)} targets.")
    if table is not None and len(table) != len(series):
        raise DataError(
            f"Every series needs a row of static=: {len(series)} series, {len(table)} rows."
        )
    if isinstance(series, np.ndarray):
        series = array_of(X)  # in the user's layout, which is that of the data to come
    raw = SeriesTable(series, table)
    counts = points_of(series_of(series, layout))
    if not drop_empty:
        check_points(counts)
    if (counts > 0).all():
        return raw, y, []
    kept = np.flatnonzero(counts > 0)
    notice = f"{len(counts) - len(kept)} of {len(counts)} samples have no observation: left out."
    return raw.take(kept), take_samples(y if isinstance(y, list) else np.asarray(y), kept), [notice]


def _pair(part: Any, layout: str, like: SeriesTable) -> Any:
    if not isinstance(part, tuple | list):
        return part
    X, y = part
    static = None
    if isinstance(X, dict):
        X, static = X["series"], X.get("static")
    names = like.series.names if isinstance(like.series, Observations) else None
    found = series_of(X, layout, names)
    if isinstance(found, np.ndarray):
        found = array_of(X)
    return SeriesTable(found, None if static is None else columns_of(static)), y
