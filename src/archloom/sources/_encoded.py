"""A task whose inputs an encoder makes of raw data, fitted on the training samples alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from archloom.errors import DataError
from archloom.task import Inputs, Split, Task, from_arrays, leaves

# what from_arrays makes of X does not concern data that an encoder makes into tensors
_NOT_OURS = ("layout", "normalise")
_KEPT = ("loss", "metrics", "main_metric")


class Encoder(Protocol):
    """Turns raw data into the inputs of models, by what it learned from training data."""

    notices: tuple[str, ...]

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from training data."""
        ...

    def transform(self, X: Any) -> Inputs:
        """Give the inputs of a model."""
        ...


def encoded_task(
    raw: Any,
    y: Any,
    encoder: Encoder,
    *,
    kind: Any,
    valid: float | tuple[Any, Any] = 0.1,
    test: float | tuple[Any, Any] | None = None,
    augment_ops: Sequence[str] = (),
    notices: Sequence[str] = (),
    source: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Task:
    """Cut the samples as `from_arrays` does, fit the encoder on the training part, encode all.

    `raw` has a length and a method `take(index)`, or is a list or an array. `valid` and `test` are
    fractions, or pairs of such raw data and targets. `kind` is that of all inputs, or a dict.
    Settings are those of `from_arrays`.
    """
    for name in _NOT_OURS:
        if name in settings:
            raise DataError(f"{name}= is for arrays, {type(encoder).__name__} sees to it here.")
    check_rows(encoder, raw)
    raws: dict[str, Any] = {"train": raw}
    given: dict[str, Any] = {"valid": valid, "test": test}
    for part, value in given.items():
        if isinstance(value, tuple):
            raws[part] = value[0]
            given[part] = (_numbers(value[0]), value[1])
    # the numbers of the samples stand for them while they are cut
    plan = from_arrays(_numbers(raw), y, normalise=False, kind="table", **given, **settings)
    cut = {"train": plan.train, "valid": plan.valid}
    if plan.has_test:
        cut["test"] = plan.open_test(lambda: None)  # numbers alone, nothing to see
    index = {part: _indices(split) for part, split in cut.items()}
    pieces = {part: take_samples(raws.get(part, raw), rows) for part, rows in index.items()}
    inputs = {"train": _fitted(encoder, pieces.pop("train"))}
    inputs |= {part: encoder.transform(piece) for part, piece in pieces.items()}
    splits = {part: Split(tree, cut[part].targets) for part, tree in inputs.items()}
    if isinstance(kind, str) and isinstance(splits["train"].inputs, dict):
        kind = dict.fromkeys(splits["train"].inputs, kind)
    return Task(
        plan.name,
        splits["train"],
        splits["valid"],
        splits.get("test"),
        target=plan.target,
        class_names=plan.class_names,
        augment_ops=augment_ops,
        source=source,
        kind=kind,
        encoder=encoder,
        groups=plan.groups,
        notices=(*notices, *encoder.notices),
        **{name: settings.get(name) for name in _KEPT},
    )


def check_rows(encoder: Encoder, raw: Any) -> None:
    """Refuse bad samples here, while they have the numbers that the user knows."""
    check = getattr(encoder, "check", None)
    if check is not None:
        check(raw)
    elif isinstance(raw, list) or (isinstance(raw, np.ndarray) and raw.dtype == object):
        _check_texts(raw)


def _check_texts(raw: Any) -> None:
    rows = list(raw)
    if not any(isinstance(row, str) for row in rows):
        return
    for index, row in enumerate(rows):
        if not isinstance(row, str):
            raise DataError(
                f"Every sample needs a text, got {row!r} at index {index}: leave that sample out, "
                f"or give an empty text."
            )


def _fitted(encoder: Encoder, raw: Any) -> Inputs:
    """Fit the encoder on the training data and encode them, in one go where it can."""
    both = getattr(encoder, "fit_transform", None)
    if both is not None:
        inputs: Inputs = both(raw)
        return inputs
    encoder.fit(raw)
    return encoder.transform(raw)


def take_samples(raw: Any, index: np.ndarray) -> Any:
    """Give the samples at `index` of raw data of any form."""
    if isinstance(raw, list | tuple):
        return [raw[number] for number in index.tolist()]
    if hasattr(raw, "take") and not isinstance(raw, np.ndarray | torch.Tensor):
        return raw.take(index)
    return raw[index]


def _indices(split: Split) -> np.ndarray:
    ((_, numbers),) = leaves(split.inputs)
    return np.asarray(numbers[:, 0])


def _numbers(raw: Any) -> np.ndarray:
    return np.arange(len(raw), dtype=np.int64).reshape(-1, 1)
