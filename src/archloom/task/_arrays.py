"""A task from arrays in memory: the source that every other one ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import DataError
from archloom.task._checks import are_classes
from archloom.task._data import Inputs, Split, leaves, map_tensors
from archloom.task._labels import encode_labels
from archloom.task._layout import check_same_length, to_inputs
from archloom.task._normalise import measure_normalisation
from archloom.task._stratify import stratified_split
from archloom.task._task import Loss, Metric, Task


def from_arrays(
    X: Any,
    y: Any,
    *,
    valid: float | tuple[Any, Any] = 0.1,
    test: float | tuple[Any, Any] | None = None,
    seed: int = 0,
    name: str = "arrays",
    layout: Any = "auto",
    classes: int | None = None,
    class_names: Sequence[str] | None = None,
    augment_ops: Sequence[str] | None = None,
    normalise: bool = True,
    loss: Loss | None = None,
    metrics: Mapping[str, Metric] | None = None,
    source: Mapping[str, Any] | None = None,
) -> Task:
    """Make a task of NumPy arrays or tensors; several inputs come as a tuple or dict of them.

    `valid` and `test` are fractions of all given samples, cut with every class keeping its share
    (a class with one sample stays in training), or (X, y) pairs of their own.

    `layout` says what the axes are: `NF` (a table), `NHW`, `NHWC`, `NCHW` (images), `NCL`, `NLC`
    (series), `NDHW`, `NDHWC`, `NCDHW` (volumes). `auto` takes two axes as a table, three as
    images without a channel axis, and of four or five the smaller of the second and the last as
    the channels; where these are equal it asks.

    Values keep the dtypes uint8, float16, bfloat16 and float32, all others become float32, and
    batches are normalised with the mean and deviation of each channel of the training data.
    `normalise=False` hands the values to the model as they are (token numbers, for instance).

    Labels are whole numbers, text or other hashable values. With `loss`, `y` may also hold
    floats to predict, or several targets a sample; those are then given as they are.
    `augment_ops` says what augmentation may do, for images `("shift",)` unless told otherwise.

    Raises:
        DataError: for everything that cannot be trained on; the message says where and what.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(0, 255, (50, 12, 12, 3), dtype=np.uint8)
    >>> from_arrays(X, ["cat", "dog"] * 25, valid=0.2, test=0.2)
    Task('arrays', 30/10/10, shape=(3, 12, 12), classes=2)
    """
    given = _given(X, y, valid, test)
    inputs = {
        part: to_inputs(pair[0], layout, where=part, plain=not normalise)
        for part, pair in given.items()
    }
    labels = {part: pair[1] for part, pair in given.items()}
    targets, names = _targets(labels, classes, class_names, free=loss is not None)
    for part, tree in inputs.items():
        check_same_length(tree, targets[part], part)
    splits = {part: Split(inputs[part], targets[part]) for part in given}
    splits = _cut(splits, valid, test, seed)
    if augment_ops is None:
        augment_ops = ("shift",) if _is_image(splits["train"].inputs) and normalise else ()
    return Task(
        name,
        splits["train"],
        splits["valid"],
        splits.get("test"),
        classes=len(names),
        class_names=names,
        normalisation=(
            map_tensors(measure_normalisation, splits["train"].inputs) if normalise else None
        ),
        augment_ops=augment_ops,
        source=source,
        loss=loss or functional.cross_entropy,
        metrics=metrics,
    )


def _given(X: Any, y: Any, valid: Any, test: Any) -> dict[str, tuple[Any, Any]]:
    given = {"train": (X, y)}
    for name, part in (("valid", valid), ("test", test)):
        if isinstance(part, tuple | list):
            if len(part) != 2:
                raise DataError(f"{name} is a fraction or a pair (X, y), got {len(part)} things.")
            given[name] = (part[0], part[1])
    return given


def _cut(splits: dict[str, Split], valid: Any, test: Any, seed: int) -> dict[str, Split]:
    """Cut the parts that were asked for as fractions from the training samples."""
    if not len(splits["train"]):
        raise DataError("A split must hold samples, train has none.")
    if "valid" not in splits and not valid:
        raise DataError(
            "Choosing between architectures needs validation data: give valid= a fraction such "
            "as 0.1 or a pair (X, y)."
        )
    wanted = {
        name: float(part)
        for name, part in (("test", test), ("valid", valid))
        if name not in splits and part
    }
    if not wanted:
        return splits
    whole = splits["train"]
    rest, *parts = stratified_split(whole.targets, tuple(wanted.values()), seed)
    cut = {name: whole.take(index) for name, index in zip(wanted, parts, strict=True)}
    return {**splits, **cut, "train": whole.take(rest)}


def _targets(
    labels: Mapping[str, Any],
    classes: int | None,
    class_names: Sequence[str] | None,
    *,
    free: bool,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    if free:
        tensors = {name: _free_target(raw) for name, raw in labels.items()}
        if None not in tensors.values():
            known = {name: tensor for name, tensor in tensors.items() if tensor is not None}
            first = known["train"]
            count = classes or (first.shape[1] if first.ndim > 1 else 1)
            return known, tuple(class_names or map(str, range(count)))
    return encode_labels(labels, classes=classes, class_names=class_names)


def _free_target(raw: Any) -> Tensor | None:
    """Give targets that are no class labels as a tensor, None for those that are."""
    try:
        tensor = torch.as_tensor(raw)
    except (TypeError, ValueError, RuntimeError):  # text and objects: class labels
        return None
    one_column = tensor.ndim == 2 and tensor.shape[1] == 1
    if are_classes(tensor.squeeze(1) if one_column else tensor):
        return None
    return tensor.float() if tensor.is_floating_point() else tensor.long()


def _is_image(inputs: Inputs) -> bool:
    return all(tensor.ndim == 4 for _, tensor in leaves(inputs))
