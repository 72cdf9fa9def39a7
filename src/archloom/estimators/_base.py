"""Candidate: what an estimator gets. Estimator: what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.errors import TrialError
from archloom.nn import ModelSpace
from archloom.task import Task


@dataclass(frozen=True)
class Ancestor:
    """The trial that a candidate came from; `files` is the folder of what is kept of it."""

    number: int
    architecture: Architecture
    budget: float | None
    files: Path


def inside(ancestor: Ancestor | None, folder: str) -> Ancestor | None:
    """Give the ancestor of one of several evaluations, which has a folder within its files."""
    return None if ancestor is None else replace(ancestor, files=ancestor.files / folder)


@dataclass
class Candidate:
    """One architecture to be judged, with all that the judging may use.

    `task` has no test split. `epochs` is the fidelity asked for, None where the estimator's own
    setting applies; `budget` is the share of that effort to spend, None for all of it. `parent` is
    the trial that it was mutated from or, with the same architecture, promoted from. `files` is a
    folder of the trial's own, made by whoever writes into it, and the same one after a restart.
    `report(step, metrics)` records how it goes, steps counted from 1; it may raise `Stopped`, and
    reporting a step again changes nothing. `remember(key, measure)` gives the run's recorded value
    of the key (JSON data), measuring and recording it the first time.
    """

    architecture: Architecture
    space: ModelSpace
    task: Task
    seed: int
    epochs: int | None
    files: Path
    device: torch.device
    report: Callable[[int, Mapping[str, float]], None]
    remember: Callable[[str, Callable[[], Any]], Any]
    budget: float | None = None
    parent: Ancestor | None = None

    def build(self) -> nn.Module:
        """Give the model on the device, its weights drawn by the candidate's seed."""
        torch.manual_seed(self.seed)
        return self.space.build(self.architecture, device=self.device)


@runtime_checkable
class Estimator(Protocol):
    """Anything that is called with a candidate and gives its metrics: a function will do.

    >>> def size(candidate):
    ...     return {"accuracy": 0.5, "layers": len(list(candidate.build().modules()))}
    >>> isinstance(size, Estimator)
    True
    """

    def __call__(self, candidate: Candidate, /) -> Mapping[str, float]:
        """Give the metrics of the candidate, all of them numbers."""
        ...


def checked_metrics(result: object) -> dict[str, float]:
    """Give an estimator's result as plain floats; scalars of NumPy and torch are taken.

    Raises:
        TrialError: when it is not a mapping of names to numbers.

    >>> checked_metrics({"accuracy": torch.tensor(0.5), "params": 10})
    {'accuracy': 0.5, 'params': 10.0}
    """
    if not isinstance(result, Mapping):
        raise TrialError(
            f"An estimator must return a mapping of metrics such as {{'accuracy': 0.9}}, got "
            f"{result!r} of type {type(result).__name__}. Is a return missing?"
        )
    if not result:
        raise TrialError("An estimator must return at least one metric, got an empty mapping.")
    return {_name(name): _number(name, value) for name, value in result.items()}


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TrialError(f"The name of a metric must be a text, got {name!r}.")
    return name


def _number(name: object, value: object) -> float:
    if isinstance(value, Tensor) or (hasattr(value, "item") and hasattr(value, "size")):
        value = value.item() if _size(value) == 1 else value
    if isinstance(value, Real):
        return float(value)
    raise TrialError(
        f"The metric {name!r} must be a number, got {value!r} of type {type(value).__name__}. "
        f"Return one number for each name; reduce arrays with a mean."
    )


def _size(value: Any) -> int:
    return int(value.numel()) if isinstance(value, Tensor) else int(value.size)
