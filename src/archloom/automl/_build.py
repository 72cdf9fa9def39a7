"""From what a user hands over to a task: targets read, validation data cut or given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.sparse import issparse
from torch import Tensor

from archloom.automl._answers import answers_of_target
from archloom.automl._encode import ArrayEncoder
from archloom.errors import ConfigError, DataError, InputError
from archloom.task import Task, load, source_of_path


@dataclass(frozen=True)
class Prepared:
    """A task whose encoder reads raw data, and how predictions are brought into the old form."""

    task: Task
    answers: Any


def settings_of(
    answers: Any,
    samples: int,
    validation_data: Any,
    read: Callable[[Any], Any],
    *,
    groups: Any,
    class_weights: Any,
    seed: int,
) -> dict[str, Any]:
    """Give the settings that all sources share: how to cut, what to weigh, the names.

    `read` brings the inputs of validation data into the form that the source takes.
    """
    if samples < 2:
        raise DataError(f"Learning needs two samples at the least, got {samples} sample(s).")
    valid: Any = valid_share(samples)
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise ConfigError(
                f"validation_data is a pair (X, y), got {type(validation_data).__name__}."
            )
        X, y = validation_data
        valid = (read(X), answers.encode(y, "y of validation_data"))
    return {
        "valid": valid,
        "groups": groups,
        "class_weights": class_weights,
        "seed": seed,
        **({"class_names": answers.names} if answers.names else {}),
    }


def valid_share(samples: int) -> float:
    """Give the share of samples to choose by: a fifth of few, about 5,000 of many.

    >>> valid_share(100), valid_share(10_000), valid_share(100_000)
    (0.2, 0.1, 0.05)
    """
    return min(0.2, max(400 / samples, min(0.1, 5000 / samples)))


def from_path(source: str | Path, y: Any, kind: str, options: Mapping[str, Any]) -> Prepared:
    """Make a task of a file, a folder or the name of a data set; `y` names its target.

    Raises:
        ConfigError: for a `y` that is no name.
        DataError: for data of another kind than the door's.
    """
    if y is not None and not isinstance(y, str):
        raise ConfigError(
            f"With a path for X, y is the name of the target column or None, got "
            f"{type(y).__name__}."
        )
    given = {**options, **({} if y is None else {"target": y})}
    path = Path(source).expanduser()
    if kind in ("series", "table") and path.is_file() and source_of_path(path)[0] == "npz":
        given["kind"] = kind  # arrays of these axes could be images, too
    return from_task(load(source, **given), kind)


def from_task(task: Task, kind: str) -> Prepared:
    """Take a task that is there already. Raises `DataError` for one of another kind."""
    if kind != "mixed" and task.kind not in (kind, *_TOO.get(kind, ())):
        raise DataError(
            f"{task.name!r} holds data of kind {task.kind!r}, this door takes {kind!r}."
        )
    return Prepared(task, answers_of_target(task.target))


_TOO = {"image": ("volume",), "series": ("mixed",)}


def encoder_of(task: Task) -> Any:
    """Give what reads raw data of the task; arrays in the task's own form where nothing else does.

    Raises:
        DataError: for several inputs without an encoder.
    """
    if task.encoder is not None:
        return task.encoder
    if not isinstance(task.train.inputs, Tensor):
        raise DataError("Data of several inputs need an encoder, and their source gives none.")
    return ArrayEncoder(task.kind, tuple(task.shape)).measured(task.train.inputs)


def refuse_sparse(X: Any) -> None:
    """Raise `TypeError` for a sparse matrix: all doors take dense data."""
    if issparse(X):
        raise TypeError("Sparse data was passed, dense data is required: give X.toarray().")


@contextmanager
def as_input_errors() -> Iterator[None]:
    """Raise data that do not fit as a ValueError too, as scikit-learn's rules want it."""
    try:
        yield
    except InputError:
        raise
    except DataError as error:
        raise InputError(str(error)) from error
