"""Predictions as the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from archloom.automl._answers import Answers, MixedAnswers
from archloom.automl._file import ModelFile
from archloom.automl._inputs import Batch, decoding
from archloom.automl._threshold import device_of


def predictions(
    model: ModelFile, batches: Iterable[Batch], device: str = "cpu"
) -> Iterator[list[Any]]:
    """Give the rows of a table: first the names of the columns, then a row for each sample.

    >>> import torch
    >>> from archloom.automl._encode import ArrayEncoder
    >>> from archloom.task import Classes
    >>> model = ModelFile(
    ...     torch.nn.Linear(2, 2),
    ...     "table",
    ...     ArrayEncoder("table", (2,)),
    ...     Answers.of_classes(["a", "b"]),
    ...     Classes(("a", "b")),
    ...     None,
    ... )
    >>> table = predictions(model, [Batch(np.zeros((3, 2)), ("first", "second", "third"))])
    >>> next(table), len(list(table))
    (['sample', 'prediction', 'p(a)', 'p(b)'], 3)
    """
    yield header(model)
    for batch in batches:
        with decoding(batch.names[0] if batch.names else "the file"):
            finished = model.finished(batch.raw, device_of(device))
        yield from rows(model, batch.names, finished)


def header(model: ModelFile) -> list[str]:
    """Give the names of the columns: the sample, the predictions, the probabilities."""
    return ["sample", *(name for part, answers in _parts(model) for name in _names(part, answers))]


def rows(model: ModelFile, samples: Sequence[str], finished: np.ndarray) -> Iterator[list[Any]]:
    """Give a row for each sample, in the order of `header`."""
    columns: list[np.ndarray] = []
    edge = 0
    for _, answers in _parts(model):
        mine = finished[:, edge : edge + len(answers.names)]
        edge += len(answers.names)
        said = answers.decode(mine, model.threshold)
        columns += [said] if said.ndim == 1 else list(said.T)
        columns += [] if answers.kind == "numbers" else list(mine.T)
    for index, sample in enumerate(samples):
        yield [sample, *(_plain(column[index]) for column in columns)]


def _parts(model: ModelFile) -> list[tuple[str, Answers]]:
    if isinstance(model.answers, MixedAnswers):
        return [(f"{name}.", part) for name, part in model.answers.parts.items()]
    return [("", model.answers)]


def _names(part: str, answers: Answers) -> list[str]:
    chances = [f"{part}p({name})" for name in answers.names]
    match answers.kind:
        case "classes":
            return [f"{part}prediction", *chances]
        case "labels":
            return [*(f"{part}{name}" for name in answers.names), *chances]
    if len(answers.names) == 1:
        return [f"{part}prediction"]
    return [f"{part}{name}" for name in answers.names]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return f"{value:.6g}" if isinstance(value, float) else value
