"""Targets in the form that a user gave them, to the form that training wants and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.task import Classes, Labels, Mixed, Numbers, Target

Kind = Literal["classes", "labels", "numbers"]

_FAR = 10_000
"""So many deviations from zero the error of float32 begins to count."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What was learnt from the training targets: their kind, names and form.

    `classes` holds the original class values, in order of their indices; `flat` says whether
    numbers came as one value a sample, `exclusive` whether every sample had exactly one label.
    `shift` is what numbers are counted from where float32 could not tell them apart otherwise.
    """

    kind: Kind
    names: tuple[str, ...]
    classes: np.ndarray | None = None
    flat: bool = True
    exclusive: bool = False
    shift: tuple[float, ...] = ()

    @classmethod
    def of(cls, y: Any, kind: str | None = None) -> Answers:
        """Read targets of a kind, or of the kind that their form tells.

        Floats that are no few whole values are numbers, several columns of 0 and 1 labels, all
        else classes.
        """
        if kind is None:
            found = type_of_target(_array(y), input_name="y")
            kind = "numbers" if found.startswith("continuous") else "classes"
        if kind not in ("classes", "labels", "numbers"):
            raise ConfigError(
                f"There is no kind of target {kind!r}: "
                f"{did_you_mean(kind, ['classes', 'labels', 'numbers'])}."
            )
        return cls.of_numbers(y) if kind == "numbers" else cls.of_classes(y)

    @classmethod
    def of_classes(cls, y: Any) -> Answers:
        """Read the targets of a classifier: one class a sample, or columns of 0 and 1.

        Raises:
            DataError: for missing or continuous values, one class only, and other forms.
        """
        values = _array(y)
        found = type_of_target(values, input_name="y")
        if found == "multilabel-indicator":
            names = _column_names(y, values.shape[1])
            exclusive = bool((values.sum(1) == 1).all())
            return cls("labels", names, np.arange(values.shape[1]), False, exclusive)
        if found not in ("binary", "multiclass"):
            raise DataError(
                f"Unknown label type: {found}. A classifier takes one class a sample, or columns "
                f"of 0 and 1 for several labels; for numbers take the regressor."
            )
        classes = np.unique(column_or_1d(values))
        if len(classes) < 2:
            raise DataError(
                f"A classifier needs at least two classes, all targets are of one class: "
                f"{classes.tolist()[0]!r}. Is the right column used as the target?"
            )
        return cls("classes", tuple(str(c) for c in classes), classes)

    @classmethod
    def of_numbers(cls, y: Any) -> Answers:
        """Read the targets of a regressor: one or several numbers a sample."""
        values = _numbers(y)
        columns = 1 if values.ndim == 1 else values.shape[1]
        if len(values) > 1 and bool((values == values[:1]).all()):
            raise DataError(
                f"The targets never change, all are {values.flat[0].item()!r}: there is nothing to "
                f"learn. Is the right column used as the target?"
            )
        names = _column_names(y, columns)
        return cls("numbers", names, None, values.ndim == 1, shift=_shift(values))

    @classmethod
    def of_target(cls, target: Target) -> Answers:
        """Give what is known of the targets of a file: classes by name, or by their index."""
        kind: Any = target.kind
        if kind == "classes":
            numbers = target.names == tuple(map(str, range(target.outputs)))
            names = np.arange(target.outputs) if numbers else np.array(target.names)
            return cls(kind, target.names, names)
        if kind == "labels":
            return cls(kind, target.names, np.arange(target.outputs), flat=False)
        return cls(kind, target.names, None, flat=target.outputs == 1)

    def target(self) -> Any:
        """Give the target as `from_arrays` takes it."""
        match self.kind:
            case "classes":
                return Classes(self.names)
            case "labels":
                return Labels(self.names)
        return Numbers(self.names)

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know of how the targets are learnt."""
        return tuple(
            f"The target {name!r} varies little around {shift:.6g}: its distance from there is "
            f"learnt. predict() adds it again; a bare model does not."
            for name, shift in zip(self.names, self.shift, strict=False)
            if shift
        )

    def chances(self, finished: np.ndarray) -> np.ndarray:
        """Give probabilities."""
        return finished

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` makes the answers of again; classes become plain values."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "classes": None if self.classes is None else self.classes.tolist(),
            "flat": self.flat,
            "shift": list(self.shift),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Answers:
        """Make the answers whose `to_json` gave this."""
        classes = None if data["classes"] is None else np.array(data["classes"])
        shift = tuple(data.get("shift", ()))
        return cls(data["kind"], tuple(data["names"]), classes, data["flat"], shift=shift)

    def encode(self, y: Any, where: str = "y") -> np.ndarray:
        """Give targets as `from_arrays` takes them.

        Raises:
            DataError: for classes that training did not have, or another number of columns.
        """
        if self.kind == "classes":
            return self._indices(_array(y), where)
        if self.kind == "labels":
            values = _array(y)
        else:
            values = _numbers(y)
            values = values[:, None] if values.ndim == 1 else values
            if self.shift and values.shape[1:] == (len(self.shift),):
                values = values - np.array(self.shift)
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise DataError(
                f"{where} must have {len(self.names)} columns as in training, got shape "
                f"{values.shape}."
            )
        return values.astype(np.float32 if self.kind == "numbers" else np.int64)

    def _indices(self, values: np.ndarray, where: str) -> np.ndarray:
        assert self.classes is not None
        places = {value: place for place, value in enumerate(self.classes.tolist())}
        index = np.empty(len(values), dtype=np.int64)
        for row, value in enumerate(column_or_1d(values).tolist()):
            if value not in places:
                raise DataError(
                    f"There is no class {value!r} in the training targets ({where} at index "
                    f"{row}): {did_you_mean(str(value), self.names)}."
                )
            index[row] = places[value]
        return index

    def decode(self, finished: np.ndarray, threshold: float | None = None) -> np.ndarray:
        """Give predictions in the form of the training targets.

        Args:
            finished: probabilities (samples, classes or labels), or numbers in natural units.
            threshold: the probability of the second class, or of a label, above which it is taken.
        """
        if self.kind == "numbers":
            values = np.asarray(finished, dtype=np.float64) + (self.shift or 0.0)
            return np.asarray(values[:, 0] if self.flat else values)
        if self.kind == "labels":
            return (finished > (0.5 if threshold is None else threshold)).astype(np.int64)
        assert self.classes is not None
        if threshold is not None and len(self.classes) == 2:
            return np.asarray(self.classes[(finished[:, 1] > threshold).astype(np.int64)])
        return np.asarray(self.classes[finished.argmax(1)])


@dataclass(frozen=True, eq=False)
class MixedAnswers:
    """Several targets by name."""

    parts: Mapping[str, Answers]

    kind: ClassVar[str] = "mixed"
    names: ClassVar[tuple[str, ...]] = ()
    classes: ClassVar[None] = None
    exclusive: ClassVar[bool] = False

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know of how the targets are learnt."""
        return tuple(notice for part in self.parts.values() for notice in part.notices)

    def target(self) -> dict[str, Any]:
        """Give the targets as `from_arrays` takes them."""
        return {name: part.target() for name, part in self.parts.items()}

    def encode(self, y: Any, where: str = "y") -> dict[str, np.ndarray]:
        """Give the targets of each part. Raises `DataError` unless they are those of training."""
        if not isinstance(y, Mapping) or set(map(str, y)) != set(self.parts):
            raise DataError(f"{where} must be a dict of the targets {', '.join(self.parts)}.")
        return {
            name: part.encode(y[name], f"{where}[{name!r}]") for name, part in self.parts.items()
        }

    def decode(self, finished: np.ndarray, threshold: float | None = None) -> dict[str, np.ndarray]:
        """Give the predictions of each part."""
        pieces = self._split(finished)
        return {name: part.decode(pieces[name]) for name, part in self.parts.items()}

    def chances(self, finished: np.ndarray) -> dict[str, np.ndarray]:
        """Give the probabilities of all parts but numbers."""
        pieces = self._split(finished)
        return {name: pieces[name] for name, part in self.parts.items() if part.kind != "numbers"}

    def _split(self, finished: np.ndarray) -> dict[str, np.ndarray]:
        edges = np.cumsum([len(part.names) for part in self.parts.values()])[:-1]
        return dict(zip(self.parts, np.split(finished, edges, axis=1), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Give what `answers_from_json` makes them of again."""
        return {"kind": "mixed", "parts": {n: part.to_json() for n, part in self.parts.items()}}


def answers_of_target(target: Target) -> Answers | MixedAnswers:
    """Give what is known of the targets of a file, one or several."""
    if isinstance(target, Mixed):
        return MixedAnswers({n: Answers.of_target(part) for n, part in target.parts.items()})
    return Answers.of_target(target)


def answers_from_json(data: Mapping[str, Any]) -> Answers | MixedAnswers:
    """Make the answers whose `to_json` gave this."""
    if data["kind"] == "mixed":
        return MixedAnswers({n: Answers.from_json(part) for n, part in data["parts"].items()})
    return Answers.from_json(data)


def _array(y: Any) -> np.ndarray:
    """Give targets as an array; text and categories stay as they are."""
    if y is None:
        raise DataError(
            "This estimator requires y to be passed, but the target y is None: give targets, or "
            "a path of a file that holds them."
        )
    if hasattr(y, "detach"):
        y = y.detach().cpu().numpy()
    try:
        values = _objects(y) if _of_several_types(y) else np.asarray(y)
    except ValueError as error:
        widths = sorted({len(row) if hasattr(row, "__len__") else 1 for row in y})
        raise DataError(
            f"Targets are one value, or rows of one length, got rows of "
            f"{', '.join(map(str, widths))} values. For several labels a sample give columns of 0 "
            f"and 1."
        ) from error
    if values.ndim == 0 or not len(values):
        raise DataError(f"Targets are one value or row a sample, got {y!r}.")
    if values.ndim > 1 and values.shape[1] == 1:
        values = values[:, 0]
    missing = _missing(values)
    if missing.any():
        where = int(np.flatnonzero(missing.reshape(len(values), -1).any(1))[0])
        raise DataError(
            f"Input y contains NaN or infinity: targets must be known, the first missing one is "
            f"at index {where} ({int(missing.sum())} in all). Leave those samples out."
        )
    if values.dtype.kind == "O":
        return _of_one_kind(values)
    return values


def _of_several_types(y: Any) -> bool:
    """Whether NumPy would turn numbers beside text into text."""
    return isinstance(y, list | tuple) and len({isinstance(value, str) for value in y}) > 1


def _objects(y: Any) -> np.ndarray:
    values = np.empty(len(y), dtype=object)
    values[:] = y
    return values


def _of_one_kind(values: np.ndarray) -> np.ndarray:
    """Give objects that are all text as they are, numbers as numbers."""
    kinds = {type(value).__name__ for value in values.flat}
    if all(isinstance(value, str) for value in values.flat):
        return values
    plain = np.array(values.tolist())
    if plain.dtype.kind not in "iufb" or plain.ndim != values.ndim:
        raise DataError(f"Unknown label type: targets of kinds {sorted(kinds)}; give one kind.")
    return plain


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.asarray(~np.isfinite(values))
    if values.dtype.kind == "O":
        gone = [v is None or (isinstance(v, float) and v != v) for v in values.flat]
        return np.array(gone).reshape(values.shape)
    return np.zeros(values.shape, dtype=bool)


def _numbers(y: Any) -> np.ndarray:
    flat = getattr(y, "ndim", None) != 2 or y.shape[1] != 1
    values = _array(y)
    if values.dtype.kind == "c":
        raise DataError("Complex data not supported: give the two parts as two targets.")
    try:
        values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"A regressor's targets are numbers, got dtype {values.dtype} such as "
            f"{values.ravel().tolist()[0]!r}. For classes take the classifier."
        ) from error
    if values.ndim > 2:
        raise DataError(f"Targets have 1 axis or 2 (samples, outputs), got shape {values.shape}.")
    return values if flat or values.ndim == 2 else values[:, None]


def _shift(values: np.ndarray) -> tuple[float, ...]:
    """Give the means to count from, 0 where float32 holds a column well; nothing where all do."""
    columns = values.reshape(len(values), -1)
    mean, spread = columns.mean(0), columns.std(0)
    shift = np.where(np.abs(mean) > _FAR * spread, mean, 0.0)
    return tuple(shift.tolist()) if shift.any() else ()


def _column_names(y: Any, count: int) -> tuple[str, ...]:
    columns = getattr(y, "columns", None)
    if columns is not None:
        return tuple(map(str, columns))
    if count == 1:
        return (str(getattr(y, "name", None) or "target"),)
    return tuple(map(str, range(count)))
