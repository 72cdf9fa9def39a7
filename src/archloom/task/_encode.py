"""Raw targets of any form to tensors, and what kind of target they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task._classes import Classes, balanced_weights
from archloom.task._labels import as_column, encode_labels
from archloom.task._mixed import Mixed
from archloom.task._multilabel import Labels, balanced_positives
from archloom.task._numbers import Numbers
from archloom.task._target import Target

TargetLike: TypeAlias = "Target | str | Mapping[str, Any] | None"
Weights: TypeAlias = "str | Sequence[float] | Mapping[str, Any] | None"

_KINDS = ("classes", "labels", "numbers", "mixed")
_FEW = 20


def encode_targets(
    labels: Mapping[str, Any],
    target: TargetLike = None,
    *,
    classes: int | None = None,
    names: Sequence[str] | None = None,
) -> tuple[Target, dict[str, Tensor]]:
    """Turn the targets of each split into tensors and say what they are; see `from_arrays`.

    Mean and deviation of numbers, and weights, are for `fitted_target`, which sees the training
    data alone.

    Raises:
        ConfigError: for a kind of target that does not exist or does not fit.
        DataError: for missing, unknown or ragged targets.

    >>> encode_targets({"train": [0.5, 1.5, 2.5]})[0]
    Numbers(names=('target',), mean=(), std=(), huber=None)
    """
    if isinstance(target, Mapping) or target == "mixed" or _is_mapping(labels):
        return _mixed(labels, target)
    if isinstance(target, Mixed):
        return _mixed(labels, target)
    if target is not None and not isinstance(target, str):
        return _as_given(labels, target)
    if target is not None and target not in _KINDS:
        raise ConfigError(f"There is no target {target!r}: {did_you_mean(target, _KINDS)}.")
    columns = {split: _array(raw) for split, raw in labels.items()}
    if target is None and classes is None:
        target = _guessed(columns["train"])
        if target == "numbers" and columns["train"].ndim == 1 and len(names or ["target"]) > 1:
            target = "classes"  # several names of one column are those of classes
    match target:
        case "numbers":
            return _numbers(columns, names or _own_names(labels["train"]))
        case "labels":
            return _labels(columns, names or _own_names(labels["train"]))
    tensors, found = encode_labels(labels, classes=classes, class_names=names)
    return Classes(found), tensors


def fitted_target(target: Target, targets: Tensor, weights: Weights = None) -> Target:
    """Give the target with what is measured on training data: numbers' scale, class weights.

    Raises:
        ConfigError: for weights that the target does not take.

    >>> fitted_target(Classes(("a", "b")), torch.tensor([0, 0, 0, 1]), "balanced").weights
    (0.6666666666666666, 2.0)
    """
    match target:
        case Mixed():
            return _fitted_parts(target, targets, weights)
        case Numbers():
            if weights is not None:
                raise ConfigError("class_weights= are for classes and labels; numbers have none.")
            return target if target.mean else target.measured(targets)
        case Classes() | Labels() if weights is not None:
            return replace(target, weights=_weights(target, targets, weights))
    if weights is not None and not isinstance(target, Classes | Labels):
        raise ConfigError("class_weights= work with the target's own loss; weight inside loss=.")
    return target


def _weights(target: Classes | Labels, targets: Tensor, weights: Weights) -> tuple[float, ...]:
    if isinstance(weights, str):
        if weights != "balanced":
            raise ConfigError(
                f"class_weights is 'balanced', a list or a mapping of names, got {weights!r}."
            )
        if isinstance(target, Labels):
            return balanced_positives(targets)
        return balanced_weights(targets, target.outputs)
    if isinstance(weights, Mapping):
        for name in weights:
            if str(name) not in target.names:
                raise ConfigError(
                    f"class_weights names {name!r}: {did_you_mean(str(name), target.names)}."
                )
        given = {str(name): float(weight) for name, weight in weights.items()}
        return tuple(given.get(name, 1.0) for name in target.names)
    return tuple(float(weight) for weight in weights or ())


def _fitted_parts(target: Mixed, targets: Tensor, weights: Weights) -> Mixed:
    if weights is not None and not isinstance(weights, Mapping):
        raise ConfigError(
            f"class_weights of several targets are a mapping of their names, got {weights!r}."
        )
    given, columns = dict(weights or {}), target.split_targets(targets)
    for name in given:
        if name not in target.parts:
            raise ConfigError(
                f"class_weights names {name!r}: {did_you_mean(str(name), target.parts)}."
            )
    parts = {
        name: fitted_target(part, columns[name], given.get(name))
        for name, part in target.parts.items()
    }
    return replace(target, parts=parts)


def _is_mapping(labels: Mapping[str, Any]) -> bool:
    return isinstance(labels["train"], dict)


def _mixed(labels: Mapping[str, Any], target: TargetLike) -> tuple[Target, dict[str, Tensor]]:
    if not all(isinstance(raw, dict) for raw in labels.values()):
        raise DataError(
            "Several targets are given as a dict of name to values, the same in every split."
        )
    wanted: Mapping[str, Any] = {}
    if isinstance(target, Mixed):
        wanted = target.parts
    elif isinstance(target, Mapping):
        wanted = target
    elif target not in (None, "mixed"):
        raise ConfigError(
            f"y holds several targets ({', '.join(labels['train'])}): give target= a mapping of "
            f"their names, got {target!r}."
        )
    names = list(wanted if isinstance(target, Mixed) else labels["train"])
    for name in (*wanted, *(key for raw in labels.values() for key in raw)):
        if name not in labels["train"] or name not in names:
            raise DataError(f"There is no target {name!r}: {did_you_mean(str(name), names)}.")
    parts: dict[str, Target] = {}
    found: dict[str, dict[str, Tensor]] = {}
    for name in names:
        if any(name not in raw for raw in labels.values()):
            raise DataError(f"The target {name!r} must be given for every split.")
        one = {split: raw[name] for split, raw in labels.items()}
        parts[name], found[name] = encode_targets(one, wanted.get(name))
    sizes = {split: {len(found[name][split]) for name in names} for split in labels}
    for split, lengths in sizes.items():
        if len(lengths) > 1:
            raise DataError(
                f"All targets need one value a sample, those of {split} hold {sorted(lengths)}."
            )
    mixed = replace(target, parts=parts) if isinstance(target, Mixed) else Mixed(parts)
    joined = {
        split: mixed.join_targets({name: found[name][split] for name in names}) for split in labels
    }
    return mixed, joined


def _as_given(labels: Mapping[str, Any], target: Target) -> tuple[Target, dict[str, Tensor]]:
    columns = {split: _array(raw) for split, raw in labels.items()}
    match target:
        case Numbers():
            return target, _numbers(columns, target.names)[1]
        case Labels():
            return target, _labels(columns, target.names)[1]
        case Classes():
            return target, encode_labels(labels, class_names=target.names)[0]
    raise ConfigError(
        f"target= is one of {', '.join(_KINDS)}, or Classes, Labels, Numbers or Mixed, got "
        f"{target!r}."
    )


def _guessed(column: np.ndarray) -> str:
    """The rule of `from_arrays` for what y is."""
    if column.ndim == 2 and column.shape[1] > 1 and column.dtype.kind in "biuf":
        if not bool(np.isin(column, (0, 1)).all()):
            return "numbers" if column.dtype.kind == "f" else "classes"
        return "classes" if bool((column.sum(1) == 1).all()) else "labels"
    if column.dtype.kind != "f" or column.size == 0:
        return "classes"
    if column.ndim == 2 and column.shape[1] != 1:
        return "numbers"
    distinct = np.unique(column[np.isfinite(column)])
    if len(distinct) <= 2:
        return "classes"  # fractions are refused there, with a word on target="numbers"
    whole = bool((distinct == np.round(distinct)).all())
    return "classes" if whole and len(distinct) <= min(_FEW, column.size // 2) else "numbers"


def _array(raw: Any) -> np.ndarray:
    """Give an array; objects that are all numbers, some of them fractions, become floats."""
    try:
        column = as_column(raw)
    except ValueError as error:
        raise DataError(f"Targets must all have one shape: {error}.") from error
    if column.dtype.kind != "O" or column.size == 0:
        return column
    flat = column.reshape(-1)
    numbers = all(isinstance(v, int | float | np.number | np.bool_) for v in flat)
    if numbers and any(isinstance(v, float | np.floating) for v in flat):
        return column.astype(np.float64)
    return column


def _numbers(
    columns: Mapping[str, np.ndarray], names: Sequence[str] | None
) -> tuple[Target, dict[str, Tensor]]:
    tensors = {split: _matrix(column, split, "Numbers") for split, column in columns.items()}
    count = tensors["train"].shape[1]
    if names is None:
        names = ("target",) if count == 1 else tuple(f"target_{i}" for i in range(count))
    _check_count(tensors, names, "numbers")
    return Numbers(tuple(names)), tensors


def _labels(
    columns: Mapping[str, np.ndarray], names: Sequence[str] | None
) -> tuple[Target, dict[str, Tensor]]:
    tensors = {split: _matrix(column, split, "Labels") for split, column in columns.items()}
    names = names or tuple(map(str, range(tensors["train"].shape[1])))
    _check_count(tensors, names, "labels")
    return Labels(tuple(names)), tensors


def _check_count(tensors: Mapping[str, Tensor], names: Sequence[str], what: str) -> None:
    for split, tensor in tensors.items():
        if tensor.shape[1] != len(names):
            raise DataError(
                f"{len(names)} {what} need as many columns, {split} has {tensor.shape[1]}."
            )


def _matrix(column: np.ndarray, split: str, what: str) -> Tensor:
    """Give float32 of shape (n, columns)."""
    if column.dtype.kind not in "biuf":
        raise DataError(
            f"{what} to predict must be numbers, got dtype {column.dtype} in {split}. Turn text "
            f"and objects into numbers, or give target='classes'."
        )
    if column.ndim == 1:
        column = column[:, None]
    if column.ndim != 2:
        raise DataError(
            f"{what} to predict are one or several columns, got shape {column.shape} in {split}."
        )
    bad = np.argwhere(~np.isfinite(column))
    if len(bad):
        raise DataError(
            f"Targets must be finite numbers, got {column[tuple(bad[0])]} in {split} at index "
            f"{bad[0][0]} ({len(bad)} such). Leave those samples out."
        )
    tensor = torch.from_numpy(column.astype(np.float64)).float()
    if not bool(torch.isfinite(tensor).all()):
        raise DataError(
            f"Targets must fit into float32, some of {split} are beyond 3.4e38: give another unit."
        )
    return tensor


def _own_names(raw: Any) -> tuple[str, ...] | None:
    """The names that a table or a column carries."""
    columns, name = getattr(raw, "columns", None), getattr(raw, "name", None)
    if columns is not None:
        return tuple(map(str, columns))
    return (name,) if isinstance(name, str) and name else None
