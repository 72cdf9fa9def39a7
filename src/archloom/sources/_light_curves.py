"""Task from light curves: PLAsTiCC's tables, the SPCC subset, or light curves already read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._curves import LightCurves, read_light_curves
from archloom.sources._encode_light_curves import LightCurveEncoder, check_points
from archloom.sources._encoded import encoded_task
from archloom.task import Task, existing, json_source

# Kessler et al. 2010 (arXiv:1001.5210) and Lochner et al. 2016 score the SPCC in these three
_MERGED: Mapping[str, str] = {
    **dict.fromkeys(("Ib", "Ic", "Ibc"), "Ibc"),
    **dict.fromkeys(("II", "IIn", "IIP", "IIL"), "II"),
}


def from_light_curves(
    source: Any,
    metadata: Any = None,
    *,
    labels: Any = None,
    target: str = "all",
    label: str | None = None,
    mode: str = "process",
    align: str = "peak",
    start: float = -50.0,
    end: float = 110.0,
    length: int = 40,
    static: Sequence[str] | None = None,
    features: bool = True,
    redshift: bool = True,
    asinh: bool = False,
    drop_empty: bool = False,
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> Task:
    """Read light curves and their metadata, and give a task that tells their classes apart.

    `source` is a table with a row an observation, as PLAsTiCC has it (object_id, mjd, passband,
    flux, flux_err; CSV, Parquet or a frame), with `metadata`, a table with a row an object; or an
    `.npz` file in the layout of the SPCC subset; or `LightCurves`, with `labels`.

    `target="all"` takes the types of supernovae merged as published (Ia, Ibc, II), `types` as they
    are, and one of the names, such as `Ia`, that type against the rest. PLAsTiCC's numbers get
    their names. `label` names the column of the type where it is not type or target.

    The settings `mode` to `asinh` are those of `LightCurveEncoder`, which becomes the task's
    encoder. `drop_empty` leaves out objects without an observation. Further settings are those
    of `from_arrays`.

    Raises:
        DataError: for files that cannot be used, and for inputs that are the truth.

    >>> rng = np.random.default_rng(0)
    >>> days = np.arange(0.0, 60.0, 3.0)
    >>> def curve(width):
    ...     flux = 90 * np.exp(-0.5 * ((days - 30) / width) ** 2) + rng.normal(0, 3, 20)
    ...     return days, flux, np.full(20, 3.0), ["g", "r"] * 10
    >>> curves = LightCurves.of([curve(5 + 10 * (i % 2)) for i in range(20)])
    >>> from_light_curves(curves, labels=["Ia", "II"] * 10, target="Ia", valid=0.2, features=False)
    Task('light-curves', 16/4/0, shape={'series': (4, 40), 'static': (1,)}, classes=2)
    """
    options = {
        "mode": mode,
        "align": align,
        "start": start,
        "end": end,
        "length": length,
        "static": static,
        "features": features,
        "redshift": redshift,
        "asinh": asinh,
    }
    further = {
        **settings,
        **options,
        "target": target,
        "label": label,
        "drop_empty": drop_empty,
        "valid": valid,
        "test": test,
        "seed": seed,
    }
    recorded = None
    if isinstance(source, str | Path):
        settings.setdefault("name", Path(source).stem)
        places = {"source": _absolute(source), "metadata": _absolute(metadata)}
        recorded = json_source("light-curves", **places, **further)
    settings.setdefault("name", "light-curves")
    curves, types = _given(source, metadata, labels, label)
    types, names = _classes(types, target)
    notices: list[str] = []
    if drop_empty:
        curves, types, notices = _without_empty(curves, types)
    check_points(curves)
    return encoded_task(
        curves,
        types,
        LightCurveEncoder(**options),  # type: ignore[arg-type]
        kind={"series": "series", "static": "table"},
        target="classes",
        class_names=names,
        valid=valid,
        test=test,
        seed=seed,
        source=recorded,
        notices=notices,
        **settings,
    )


def _absolute(value: Any) -> Any:
    return str(existing(value, "table")) if isinstance(value, str | Path) else value


def _given(
    source: Any, metadata: Any, labels: Any, label: str | None
) -> tuple[LightCurves, np.ndarray]:
    if isinstance(source, LightCurves):
        curves, types = source, None
    else:
        curves, types = read_light_curves(source, metadata, label=label)
    if labels is not None:
        types = np.asarray(labels).astype(str)
    if types is None:
        raise ConfigError(
            "Light curves need types: metadata= with a column type or target, another one named "
            "by label=, or labels=."
        )
    if len(types) != len(curves):
        raise DataError(f"Every object needs a type: {len(curves)} objects, {len(types)} types.")
    return curves, types


def _classes(types: np.ndarray, target: str) -> tuple[np.ndarray, list[str] | None]:
    """Give the class of each object and, of one type against the rest, the names in order."""
    if target == "types":
        return types, None
    merged = np.array([_MERGED.get(name, name) for name in types.tolist()])
    if target == "all":
        return merged, None
    chosen = merged if target in merged else types
    if target not in chosen:
        known = ["all", "types", *sorted({*types.tolist(), *merged.tolist()})]
        raise DataError(f"There is no type {target!r}: {did_you_mean(target, known)}.")
    return np.where(chosen == target, target, "other"), ["other", target]


def _without_empty(
    curves: LightCurves, types: np.ndarray
) -> tuple[LightCurves, np.ndarray, list[str]]:
    counts = curves.observations.counts
    kept = np.flatnonzero(counts > 0)
    if len(kept) == len(counts):
        return curves, types, []
    notice = f"{len(counts) - len(kept)} of {len(counts)} objects have no observation: left out."
    return curves.take(kept), types[kept], [notice]
