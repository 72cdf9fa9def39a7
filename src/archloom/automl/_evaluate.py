"""How good a model file is on data with known targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.automl._answers import MixedAnswers
from archloom.automl._file import ModelFile
from archloom.automl._inputs import read_inputs
from archloom.automl._outputs import as_learnt, outputs_of
from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources import (
    ImageEncoder,
    SeriesEncoder,
    TableEncoder,
    TextEncoder,
    read_table,
    text_of,
)
from archloom.task import Inputs, Room, Split, Task, load, map_tensors, read_npz

_WHERE = ("name", "path", "texts", "X")
_ALIKE = ("size", "fit", "colour")
_READ_BY = {"text": "texts", "series": "X", "table": "path"}
"""Sources that read files which others read differently, and their parameter for the file."""


def evaluate_file(
    model: ModelFile,
    data: str | Path,
    split: str = "test",
    options: Mapping[str, Any] | None = None,
) -> tuple[dict[str, float], int]:
    """Give the target's metrics on data from a file, and the number of samples.

    Args:
        model: from `load_model_file`.
        data: a path or a data set's name, as at fit.
        split: "test", or "all" for every sample, such as of a file that was not trained on.
        options: of the source; those of the training data are taken besides.

    Raises:
        DataError: for data without a test split, of other inputs or of other targets.

    >>> import tempfile
    >>> from archloom.automl import ImageClassifier, load_model_file
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = ImageClassifier(space="mlp", **settings).fit("digits")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = load_model_file(door.export(f"{folder}/model.pt"))
    >>> scores, samples = evaluate_file(model, "digits")
    >>> samples, "accuracy" in scores
    (359, True)
    """
    if split not in ("test", "all"):
        raise ConfigError(f"A split is test or all, got {split!r}.")
    inputs, targets = _samples(model, data, split, dict(options or {}))
    outputs = as_learnt(outputs_of(model.model, inputs), model.target)
    found = {name: metric(outputs, targets) for name, metric in model.target.metrics.items()}
    scores = {"loss": float(model.target.loss(outputs, targets))}
    scores |= {name: float(value) for name, value in found.items() if value is not None}
    return {**scores, **model.target.detail(outputs, targets)}, len(targets)


def _samples(
    model: ModelFile, data: str | Path, split: str, options: dict[str, Any]
) -> tuple[Inputs, Tensor]:
    known = {k: v for k, v in (model.source or {}).items() if k not in _WHERE}
    if split == "all" and _learns(model) and Path(data).exists():
        return _from_table(model, Path(data), {**known, **options})
    if isinstance(model.encoder, ImageEncoder):
        known |= {name: getattr(model.encoder, name) for name in _ALIKE}
    source = str((model.source or {}).get("name"))
    if source in _READ_BY and Path(data).exists():  # a table can be of texts, say
        task = load(source, **{_READ_BY[source]: data, **known, **options})
    else:
        task = load(data, **{**known, **options})
    own = task.encoder
    if own is not None and own.to_json() != model.encoder.to_json():
        raise DataError(
            f"{str(data)!r} is not the file that the model was trained on, as its columns or "
            f"values differ: pass --split all to judge the model on a whole new file."
        )
    chosen = _all(task) if split == "all" else _test(task)
    if task.shape != getattr(model.encoder, "shape", task.shape):
        raise DataError(
            f"The model takes samples of shape {model.encoder.shape}, got {task.shape}."
        )
    return chosen.inputs, _renamed(chosen.targets, task, model)


def _learns(model: ModelFile) -> bool:
    """Whether the encoder learnt something from the training data that new data would change."""
    return isinstance(model.encoder, SeriesEncoder | TableEncoder | TextEncoder)


def _test(task: Task) -> Split:
    if not task.has_test:
        raise DataError(
            f"{task.name!r} has no test split: pass --split all for a file that was not trained on."
        )
    return task.open_test(lambda: None)


def _all(task: Task) -> Split:
    pooled = task.pooled()
    if not task.has_test:
        return pooled
    test = _test(task)
    inputs = map_tensors(lambda a, b: torch.cat([a, b]), pooled.inputs, test.inputs)
    return Split(inputs, torch.cat([pooled.targets, test.targets]))


def _renamed(targets: Tensor, task: Task, model: ModelFile) -> Tensor:
    """Give class indices of the data as those of the model, by the classes' names."""
    if task.target.kind != model.target.kind:
        raise DataError(
            f"The model predicts {model.target.kind}, the targets of the data are "
            f"{task.target.kind}."
        )
    mine, theirs = task.target.names, model.target.names
    if mine == theirs:
        return targets
    if model.target.kind != "classes":
        raise DataError(f"The model predicts {', '.join(theirs)}, the data have {', '.join(mine)}.")
    for name in mine:
        if name not in theirs:
            raise DataError(f"The model knows no class {name!r}: {did_you_mean(name, theirs)}.")
    return torch.tensor([theirs.index(name) for name in mine])[targets]


def _from_table(model: ModelFile, path: Path, options: Mapping[str, Any]) -> tuple[Inputs, Tensor]:
    """Read inputs and targets of a new table by the model's own encoder."""
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path, Room.of())
        parts = [part for part in ("train", "val", "test") if f"{part}_images" in arrays]
        X, y = (np.concatenate([arrays[f"{p}_{of}"] for p in parts]) for of in ("images", "labels"))
        return model.encoder.transform(X), _encoded(_as_known(y, model), model)
    target = options.get("target")
    if target is None:
        raise ConfigError("Which column is the target? Pass --target.")
    names = [target] if isinstance(target, str) else list(target)
    table = read_table(path)
    for name in names:
        if name not in table.values:
            raise DataError(f"There is no column {name!r}: {did_you_mean(name, table.values)}.")
    column = options.get("text") if isinstance(model.encoder, TextEncoder) else None
    raws = [batch.raw for batch in read_inputs(model, [path], column=column)]
    inputs = model.encoder.transform(raws[0])
    columns = {name: _as_known(table.values[name], model) for name in names}
    if isinstance(model.answers, MixedAnswers):
        raise ConfigError(
            "Several targets of different kinds are judged on the training file only."
        )
    y = columns[names[0]] if len(names) == 1 else np.stack(list(columns.values()), 1)
    return inputs, _encoded(y, model)


def _encoded(y: np.ndarray, model: ModelFile) -> Tensor:
    assert not isinstance(model.answers, MixedAnswers)
    encoded = torch.from_numpy(model.answers.encode(y))
    return encoded.float() if model.target.kind == "labels" else encoded


def _as_known(values: np.ndarray, model: ModelFile) -> np.ndarray:
    """Give classes as they are known: by their name, or their index."""
    if model.target.kind != "classes":
        return values
    names = dict(zip(model.answers.names, _classes(model), strict=True))
    return np.array([names.get(text_of(value), text_of(value)) for value in values])


def _classes(model: ModelFile) -> list[Any]:
    assert not isinstance(model.answers, MixedAnswers)
    return [] if model.answers.classes is None else model.answers.classes.tolist()
