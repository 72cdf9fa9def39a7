"""A task whose samples are read after they are cut, so that each split is one slice of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from archloom.errors import ConfigError, DataError
from archloom.task import Split, Task, from_arrays, measure_normalisation

_PARTS = ("train", "valid", "test")
_OURS = ("layout", "normalise", "kind", "encoder", "classes")
_KEPT = ("loss", "metrics", "main_metric")


@dataclass(frozen=True)
class Rows:
    """Samples that were read, first axis the samples, and which of those asked for they are."""

    values: np.ndarray
    kept: np.ndarray
    notices: tuple[str, ...] = ()


def planned_task(
    y: Any,
    read: Callable[[np.ndarray], Rows],
    *,
    kind: str,
    splits: Sequence[str] | None = None,
    groups: Any = None,
    valid: float = 0.1,
    test: float | None = None,
    augment_ops: Sequence[str] | None = None,
    encoder: Any = None,
    notices: Sequence[str] = (),
    source: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Task:
    """Cut the samples by their targets as `from_arrays` does, then read them in that order.

    `read` gets the numbers of all samples, first those that train, then validation, then test,
    and gives their rows, channels first; samples that it leaves out are dropped. Nothing is
    copied, so that rows in a mapped file stay there. `splits` names the split of each sample
    where these are given. Settings are those of `from_arrays`.
    """
    for name in _OURS:
        if name in settings:
            raise ConfigError(f"This source sees to {name} itself, it cannot be given.")
    if settings.get("target") is None and _are_labels(y):
        settings["target"] = "labels"
    plan = _plan(y, splits, groups, {"valid": valid, "test": test}, settings)
    parts = {"train": plan.train, "valid": plan.valid}
    if plan.has_test:
        parts["test"] = plan.open_test(lambda: None)  # numbers alone, nothing to see
    order = np.concatenate([_numbers_of(part) for part in parts.values()])
    rows = read(order)
    values = torch.from_numpy(rows.values)
    made: dict[str, Split] = {}
    trained = values[: int((rows.kept < len(plan.train)).sum())]
    start, done = 0, 0
    for name, part in parts.items():
        kept = rows.kept[(rows.kept >= start) & (rows.kept < start + len(part))] - start
        if not len(kept):
            raise DataError(f"No sample of the split {name} could be read.")
        targets = part.targets[torch.from_numpy(kept)]
        made[name] = Split(values[done : done + len(kept)], targets)
        start, done = start + len(part), done + len(kept)
    pooled = len(plan.train) + len(plan.valid)
    known = torch.from_numpy(rows.kept[rows.kept < pooled])
    return Task(
        plan.name,
        made["train"],
        made["valid"],
        made.get("test"),
        target=plan.target,
        class_names=plan.class_names,
        normalisation=measure_normalisation(trained),
        augment_ops=(("shift",) if kind == "image" else ()) if augment_ops is None else augment_ops,
        source=source,
        kind=kind,
        encoder=encoder,
        groups=None if plan.groups is None else plan.groups[known],
        notices=(*notices, *rows.notices),
        **{name: settings.get(name) for name in _KEPT},
    )


def _are_labels(y: Any) -> bool:
    """Say whether these are several columns of 0 and 1, which were named one by one."""
    several = isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] > 1
    return several and y.dtype.kind in "buif" and bool(np.isin(y, (0, 1)).all())


def _plan(
    y: Any, splits: Sequence[str] | None, groups: Any, asked: dict[str, Any], settings: Any
) -> Task:
    """Cut the numbers of the samples, which stand for them."""
    numbers = np.arange(len(y)).reshape(-1, 1).astype(np.float32)
    train = np.arange(len(y))
    if splits is not None:
        named = np.array(splits)
        at = {part: np.flatnonzero(named == part) for part in _PARTS}
        if not len(at["train"]):
            found = ", ".join(sorted(set(splits))) or "none"
            raise DataError(f"Training needs samples of the split train, there are: {found}.")
        asked |= {
            part: (numbers[at[part]], y[at[part]]) for part in ("valid", "test") if len(at[part])
        }
        train = at["train"]
    if groups is not None:
        groups = np.asarray(groups)[train]
    return from_arrays(
        numbers[train], y[train], normalise=False, kind="table", groups=groups, **asked, **settings
    )


def _numbers_of(part: Split) -> np.ndarray:
    inputs = part.inputs
    assert isinstance(inputs, torch.Tensor)
    numbers: np.ndarray = inputs[:, 0].long().numpy()
    return numbers
