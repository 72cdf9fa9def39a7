"""The records of NAS-Bench-201 and NATS-Bench as columns.

A record is what one training of one architecture gave: the accuracy after every epoch on each
split, seconds, parameters. Columns hold the mean over the trainings with different seeds and are
called `DATASET_SPLIT_EPOCHS`, such as `cifar10-valid_x-valid_12`, in the benchmark's own words;
`DATASET_SPLIT_EPOCHS@3` is the value after the third of those epochs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archloom.errors import DataError

_STEPS = 24  # of a long schedule: more say little and would fill the memory


@dataclass(frozen=True)
class Record:
    """One training: of which architecture, on which data, and how it went; epochs count from 1."""

    architecture: str
    schedule: str
    dataset: str
    epochs: int
    accuracy: Mapping[str, Mapping[int, float]]
    train_seconds: float | None
    eval_seconds: float | None
    costs: Mapping[str, float]


def columns_of_records(records: Iterable[Record], what: str) -> dict[str, list[Any]]:
    """Give the mean of every value over the records of an architecture.

    Raises:
        DataError: when there are no records, or they miss what every one has.
    """
    rows: dict[str, dict[str, list[float]]] = {}
    for record in records:
        row = rows.setdefault(record.architecture, defaultdict(list))
        for name, value in _values(record):
            row[name].append(value)
    if not rows:
        raise DataError(f"{what} holds no results of any architecture: is it another file?")
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    columns: dict[str, list[Any]] = {"arch_str": list(rows)}
    for name in names:
        columns[name] = [float(np.mean(r[name])) if name in r else np.nan for r in rows.values()]
    return columns


def _values(record: Record) -> Iterator[tuple[str, float]]:
    where = f"{record.dataset}_{{}}_{record.schedule}"
    shown = _shown(record.epochs)
    for split, curve in record.accuracy.items():
        name = where.format(split)
        if record.epochs in curve:
            yield name, curve[record.epochs]
        if len(curve) > 1:
            yield from ((f"{name}@{epoch}", curve[epoch]) for epoch in shown if epoch in curve)
    yield from ((f"{name}_{record.dataset}", value) for name, value in record.costs.items())
    if record.train_seconds is not None:
        # As the benchmark's own simulate_train_eval: all training, and one look at the validation.
        look = record.eval_seconds or 0.0
        name = f"seconds_{record.dataset}_{record.schedule}"
        yield name, record.train_seconds * record.epochs + look
        for epoch in shown:
            yield f"{name}@{epoch}", record.train_seconds * epoch + look


def _shown(epochs: int) -> list[int]:
    if epochs <= _STEPS:
        return list(range(1, epochs + 1))
    return sorted({round(step) for step in np.geomspace(1, epochs, _STEPS)})


# -- the forms that records are kept in ------------------------------------------------------


def records_of_json(data: Mapping[str, Any]) -> Iterator[Record]:
    """Read the JSON form: index -> schedule -> data set -> seed -> training."""
    for entry in data.values():
        for schedule, datasets in entry.items():
            if schedule == "arch_str":
                continue
            for dataset, seeds in datasets.items():
                for run in seeds.values():
                    yield _of_json(entry["arch_str"], schedule, dataset, run)


def _of_json(architecture: str, schedule: str, dataset: str, run: Mapping[str, Any]) -> Record:
    curves = {
        split: {int(epoch) + 1: float(value) for epoch, value in curve.items()}
        for split, curve in run["eval_acc"].items()
    }
    train = {epoch: float(value) for epoch, value in enumerate(run["train_acc"], start=1)}
    seconds = run.get("eval_seconds", {})
    return Record(
        architecture,
        schedule,
        dataset,
        int(run["epochs"]),
        {**curves, "train": train},
        run.get("train_seconds_per_epoch"),
        seconds.get("x-valid", next(iter(seconds.values()), None)),
        _costs(run.get("params_m"), run.get("flops_m"), run.get("latency_s")),
    )


def records_of_states(states: Mapping[Any, Any]) -> Iterator[Record]:
    """Read `arch2infos`, or the content of one file of a folder under its index.

    That is index -> schedule -> the state of the benchmark's `ArchResults`.
    """
    for schedules in states.values():
        for schedule, state in schedules.items():
            for (dataset, _), run in state["all_results"].items():
                yield _of_state(str(state["arch_str"]), str(schedule), str(dataset), run)


def _of_state(architecture: str, schedule: str, dataset: str, run: Mapping[str, Any]) -> Record:
    epochs = int(run["epochs"])
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for key, value in (run.get("eval_acc1es") or {}).items():
        split, _, epoch = str(key).partition("@")
        curves[split][int(epoch) + 1] = float(value)
    curves["train"] = {epoch + 1: value for epoch, value in _by_epoch(run.get("train_acc1es"))}
    train = [seconds for _, seconds in _by_epoch(run.get("train_times"))]
    looks = {str(k): float(v) for k, v in (run.get("eval_times") or {}).items()}
    valid = [v for k, v in looks.items() if k.startswith("x-valid@")] or list(looks.values())
    return Record(
        architecture,
        schedule if schedule.isdigit() else str(epochs),
        dataset,
        epochs,
        curves,
        float(np.mean(train)) if train else None,
        float(np.mean(valid)) if valid else None,
        _costs(run.get("params"), run.get("flop"), run.get("latency")),
    )


def _by_epoch(values: Any) -> Iterator[tuple[int, float]]:
    """Give (epoch from 0, value) of a mapping or a sequence, nothing of None."""
    if values is None:
        return
    pairs = values.items() if isinstance(values, Mapping) else enumerate(values)
    yield from ((int(epoch), float(value)) for epoch, value in pairs)


def _costs(params: Any, flops: Any, latency: Any) -> dict[str, float]:
    found = {"params_m": params, "flops_m": flops}
    measured = [v for v in latency if v > 0] if isinstance(latency, list | tuple) else []
    if measured:
        found["latency_s"] = float(np.mean(measured))
    return {name: float(value) for name, value in found.items() if value is not None}
