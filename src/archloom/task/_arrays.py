"""A task from arrays in memory: the source that every other one ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError
from archloom.task._checks import are_classes, check_targets
from archloom.task._classes import Classes
from archloom.task._custom import Custom
from archloom.task._data import Inputs, Split, leaves, map_tensors
from archloom.task._encode import TargetLike, Weights, encode_targets, fitted_target
from archloom.task._kinds import CODES, check_kind, kinds_of
from archloom.task._labels import encode_labels
from archloom.task._layout import check_same_length, each_of, to_inputs
from archloom.task._mapped import Room, take_rows
from archloom.task._normalise import Normalisation, measure_normalisation
from archloom.task._split import group_numbers, grouped_split, time_split
from archloom.task._strata import strata
from archloom.task._stratify import stratified_split
from archloom.task._target import Loss, Metric, Target
from archloom.task._task import Task


def from_arrays(
    X: Any,
    y: Any,
    *,
    valid: float | tuple[Any, Any] = 0.1,
    test: float | tuple[Any, Any] | None = None,
    seed: int = 0,
    name: str = "arrays",
    target: TargetLike = None,
    kind: Any = None,
    groups: Any = None,
    time: Any = None,
    layout: Any = "auto",
    classes: int | None = None,
    class_names: Sequence[str] | None = None,
    class_weights: Weights = None,
    augment_ops: Sequence[str] | None = None,
    normalise: Any = True,
    loss: Loss | None = None,
    metrics: Mapping[str, Metric] | None = None,
    main_metric: str | None = None,
    encoder: Any = None,
    memory: str | int | float | None = None,
    cache: str | Path | None = None,
    source: Mapping[str, Any] | None = None,
    notices: Sequence[str] = (),
) -> Task:
    """Make a task of NumPy arrays or tensors; several inputs come as a tuple or dict of them.

    `target` is `classes`, `labels` (0 or 1 in several columns), `numbers` (regression), or a
    `Target`; several targets are a dict of arrays in `y`, and a dict of these here. Without it,
    several columns of 0 and 1 are labels, other floats are numbers, all else are classes. Floats
    of one column are classes where all are whole and few: up to 20 values, each twice on average.
    Class labels are whole numbers, text or other hashable values. `class_names` names the
    classes, labels or numbers. `class_weights` weights the loss: `balanced`, or numbers, or
    numbers by name.

    `kind` is `image`, `volume`, `series`, `table` or `text` (token numbers, kept as int64), where
    the axes do not tell; several inputs have one each. Of a `table` in several inputs, those of
    whole numbers are categories and stay int64. `layout` says what the axes are: `NF` (a
    table), `NHW`, `NHWC`, `NCHW` (images), `NL`, `NCL`, `NLC` (series), `NDHW`, `NDHWC`, `NCDHW`
    (volumes). `auto` takes two axes as a table, three as images without a channel axis, and of
    four or five the smaller of the second and the last as the channels; where these are equal it
    asks. With `kind`, axes are guessed for that kind.

    `valid` and `test` are fractions of all given samples, or (X, y) pairs of their own. Every
    class (label, range of numbers) keeps its share, and a class with one sample stays in
    training. With `groups`, a value for each sample, samples of one group stay together; with
    `time`, the latest samples are the test, those before them validate.

    Values keep the dtypes uint8, float16, bfloat16 and float32, all others become float32, and
    batches are normalised with the mean and deviation of each channel or feature of the training
    data. `normalise=False` hands the values to the model as they are; several inputs have one
    each. `augment_ops` says what augmentation may do, for images `("shift",)` unless told
    otherwise.

    `loss`, `metrics` and `main_metric` replace those of the target. With a `loss` and no target,
    `y` may hold anything; what is no class label is then given as it is. `encoder` is carried
    along for whoever has raw data to predict on; `notices` say what a source had to do.

    Raises:
        DataError: for everything that cannot be trained on; the message says where and what.
        ConfigError: for settings that do not exist or do not go together.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(0, 255, (50, 12, 12, 3), dtype=np.uint8)
    >>> from_arrays(X, ["cat", "dog"] * 25, valid=0.2, test=0.2)
    Task('arrays', 30/10/10, shape=(3, 12, 12), classes=2)
    >>> from_arrays(X, np.linspace(0.0, 1.0, 50), valid=0.2)
    Task('arrays', 40/10/0, shape=(3, 12, 12), numbers=1)
    """
    check_kind(kind)
    room = Room.of(memory, cache)
    given = _given(X, y, valid, test)
    form = X if isinstance(X, dict | tuple) else None  # a list is one array
    kinds = kinds_of(form, each_of(form, kind))
    plain = map_tensors(lambda _, yes: not yes, form, each_of(form, normalise))
    inputs = {
        part: to_inputs(pair[0], layout, where=part, plain=plain, kind=kinds, room=room)
        for part, pair in given.items()
    }
    labels = {part: pair[1] for part, pair in given.items()}
    found, targets = _targets(labels, target, classes, class_names, loss)
    for part, tree in inputs.items():
        check_same_length(tree, targets[part], part)
    splits = {part: Split(inputs[part], targets[part]) for part in given}
    if not isinstance(found, Custom | Classes):  # a cut of targets that cannot be learnt misleads
        check_targets(targets, found)
    cut = _Cut(seed, groups, time, room)
    splits, pooled = cut.splits(splits, found, valid, test)
    train = splits["train"].inputs
    if augment_ops is None:
        augment_ops = ("shift",) if _is_image(train) and normalise else ()
    return Task(
        name,
        splits["train"],
        splits["valid"],
        splits.get("test"),
        target=fitted_target(found, splits["train"].targets, class_weights),
        normalisation=_normalisation(train, plain, kinds),
        augment_ops=augment_ops,
        source=source,
        loss=loss,
        metrics=metrics,
        main_metric=main_metric,
        kind=None if kind is None else kinds,
        encoder=encoder,
        groups=pooled,
        notices=notices,
    )


def _normalisation(train: Inputs, plain: Any, kinds: Any) -> Any:
    """Measure each input that is not to be left as it is; None where all are."""

    def measure(tensor: Tensor, as_is: bool, kind: str | None) -> Normalisation | None:
        return None if as_is or kind in CODES else measure_normalisation(tensor)

    measured = map_tensors(measure, train, plain, kinds)
    return measured if any(one is not None for _, one in _members(train, measured)) else None


def _members(train: Inputs, measured: Any) -> list[tuple[str, Any]]:
    return [("", measured)] if isinstance(train, Tensor) else leaves(measured)


def _given(X: Any, y: Any, valid: Any, test: Any) -> dict[str, tuple[Any, Any]]:
    given = {"train": (X, y)}
    for name, part in (("valid", valid), ("test", test)):
        if isinstance(part, tuple | list):
            if len(part) != 2:
                raise DataError(f"{name} is a fraction or a pair (X, y), got {len(part)} things.")
            given[name] = (part[0], part[1])
    return given


class _Cut:
    """How parts that were asked for as fractions are cut from the training samples."""

    def __init__(self, seed: int, groups: Any, time: Any, room: Room) -> None:
        if groups is not None and time is not None:
            raise ConfigError("Samples are split by groups= or by time=, both were given.")
        self._seed, self._groups, self._time, self._room = seed, groups, time, room

    def splits(
        self, splits: dict[str, Split], target: Target, valid: Any, test: Any
    ) -> tuple[dict[str, Split], Tensor | None]:
        """Give all splits, and the group of each training and validation sample."""
        whole = splits["train"]
        if not len(whole):
            raise DataError("A split must hold samples, train has none.")
        if "valid" not in splits and not valid:
            raise DataError(
                "Choosing between architectures needs validation data: give valid= a fraction such "
                "as 0.1 or a pair (X, y)."
            )
        # in the order of time, so that the latest part is the test
        names = ("valid", "test") if self._time is not None else ("test", "valid")
        asked = {"valid": valid, "test": test}
        wanted = {n: float(asked[n]) for n in names if n not in splits and asked[n]}
        groups = self._group_numbers(len(whole))
        if not wanted:
            return splits, None
        rest, *parts = self._parts(whole, target, tuple(wanted.values()), groups)
        index = dict(zip(wanted, parts, strict=True))
        cut = {name: take_rows(whole, part, self._room) for name, part in index.items()}
        pooled = None
        if groups is not None and "valid" in index:
            pooled = groups[torch.cat([rest, index["valid"]])]
        return {**splits, **cut, "train": take_rows(whole, rest, self._room)}, pooled

    def _group_numbers(self, count: int) -> Tensor | None:
        if self._groups is None:
            return None
        return torch.from_numpy(group_numbers(self._groups, count))

    def _parts(
        self, whole: Split, target: Target, fractions: tuple[float, ...], groups: Tensor | None
    ) -> list[Tensor]:
        if self._time is not None:
            return time_split(self._time, fractions, len(whole))
        known = torch.from_numpy(strata(whole.targets, target, parts=len(fractions) + 1))
        if groups is not None:
            only = target.kind == "classes"
            return grouped_split(known, groups, fractions, self._seed, classes=only)
        return stratified_split(known, fractions, self._seed)


def _targets(
    labels: Mapping[str, Any],
    target: TargetLike,
    classes: int | None,
    class_names: Sequence[str] | None,
    loss: Loss | None,
) -> tuple[Target, dict[str, Tensor]]:
    if loss is None or target is not None:
        return encode_targets(labels, target, classes=classes, names=class_names)
    tensors = {name: _free_target(raw) for name, raw in labels.items()}
    if None not in tensors.values():
        known = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        first = known["train"]
        count = classes or (first.shape[1] if first.ndim > 1 else 1)
        return Custom(tuple(class_names or map(str, range(count))), loss), known
    encoded, names = encode_labels(labels, classes=classes, class_names=class_names)
    return Classes(names), encoded


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
