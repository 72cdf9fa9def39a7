"""Task from Hugging Face `datasets`: images, texts, arrays or columns of a table."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._decode import Fit
from archloom.sources._extras import need
from archloom.sources._images import ImageSettings, read_pictures, survey
from archloom.sources._planned import Rows, planned_task
from archloom.sources._table import from_table
from archloom.sources._text import from_text
from archloom.task import Room, Task, from_arrays, json_source

_SPLITS = {
    "train": "train",
    **dict.fromkeys(("validation", "valid", "val", "dev"), "valid"),
    "test": "test",
}
_TARGETS = ("label", "labels", "fine_label", "target", "class", "y")


@dataclass(frozen=True)
class _Cell:
    """One image in a column, opened like a file."""

    data: Any
    column: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.column}[{self.number}]"

    def __str__(self) -> str:
        return f"{self.data._fingerprint} {self.name}"

    def open(self, mode: str = "rb") -> Any:
        packed = self.data[self.number][self.column]
        if packed is None:
            raise ValueError("there is no image")
        if packed.get("bytes") is not None:
            return io.BytesIO(packed["bytes"])
        return Path(packed["path"]).open("rb")


def from_hub(
    path: Any,
    *,
    config: str | None = None,
    revision: str | None = None,
    inputs: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    predict: Any = None,
    size: int | Sequence[int] | None = None,
    fit: Fit = "stretch",
    colour: str = "auto",
    skip_broken: bool = False,
    max_pixels: int = 100_000_000,
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    memory: str | int | float | None = None,
    cache: str | Path | None = None,
    **settings: Any,
) -> Task:
    """Read a Hugging Face dataset: an object, a folder of `save_to_disk`, or a name on the hub.

    Of a `DatasetDict` the splits train, validation and test are kept; where the last two are
    missing, `valid` and `test` cut fractions. `target` is a column or several; without it, the
    only column of class labels, else one called label. `inputs` is the column of images, of texts
    or of arrays, or the columns of a table; without it, the images, else the only text, else all
    columns of numbers. `predict` says what the targets are, as `target` of `from_arrays` does.
    Images are read as by `from_images`, texts as by `from_text`, columns as by `from_table`.
    Only a name is fetched from the network, by the package itself.

    Raises:
        MissingExtra: without the package `datasets`.
        DataError: for data that cannot be had, and columns that do not exist.

    >>> import datasets
    >>> data = datasets.Dataset.from_dict({"text": ["fine", "dull"] * 10, "label": [1, 0] * 10})
    >>> from_hub(data, valid=0.2, name="reviews")
    Task('reviews', 16/4/0, shape=(1,), classes=2)
    """
    need("datasets", "hub", "Reading Hugging Face datasets")
    policy = ImageSettings(size, fit, colour, skip_broken, max_pixels)
    parts, notices = _splits(_opened(path, config, revision))
    train = parts["train"]
    targets = _target_columns(train, target)
    columns = _input_columns(train, inputs, targets)
    parts, unlabelled = _labelled(parts, targets)
    given: dict[str, Any] = {
        "name": _stem(path, train),
        "class_names": _class_names(train, targets),
        **settings,
    }
    if given["class_names"] is None or "classes" in settings:
        del given["class_names"]
    given["notices"] = (*notices, *unlabelled, *settings.get("notices", ()))
    if isinstance(path, str | Path) and "source" not in given:
        where = Path(path).resolve() if Path(path).exists() else str(path)
        asked = {"config": config, "revision": revision, "inputs": inputs, "target": target}
        how = {"predict": predict, "size": size, "fit": fit, "colour": colour, "memory": memory}
        how |= {"skip_broken": skip_broken, "max_pixels": max_pixels, "cache": cache}
        how |= {"valid": valid, "test": test, "seed": seed}
        given["source"] = json_source("hub", path=where, **asked, **how, **settings)
    cut: dict[str, Any] = {"valid": valid, "test": test, "seed": seed, **given}
    if _is_image(train, columns):
        room = Room.of(memory, cache)
        return _image_task(parts, columns[0], targets, policy, room, {"target": predict, **cut})
    if _is_text(train, columns):
        return _text_task(parts, columns[0], targets, {"predict": predict, **cut})
    if len(columns) == 1 and not _is_number(train, columns[0]):
        pairs = {part: (_stacked(d, columns[0]), _answers(d, targets)) for part, d in parts.items()}
        X, y = pairs.pop("train")
        cut |= {"target": predict, "memory": memory, "cache": cache, **pairs}
        return from_arrays(X, y, **cut)
    return _table_task(parts, columns, targets, {"predict": predict, **cut})


def _opened(path: Any, config: str | None, revision: str | None) -> Any:
    if not isinstance(path, str | Path):
        return path
    datasets = need("datasets", "hub", "Reading Hugging Face datasets")
    folder = Path(path).expanduser()
    try:
        if folder.is_dir() and any(folder.glob("dataset_*.json")):
            return datasets.load_from_disk(str(folder))
        return datasets.load_dataset(str(path), config, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"The dataset {str(path)!r} cannot be had: {error}") from error


def _splits(data: Any) -> tuple[dict[str, Any], list[str]]:
    if not isinstance(data, Mapping):
        if not hasattr(data, "features") or not hasattr(data, "__len__"):
            raise DataError(
                f"A Hugging Face dataset with a length is needed, got {type(data).__name__}: load "
                f"it without streaming."
            )
        return {"train": data}, []
    parts = {_SPLITS[name]: part for name, part in data.items() if name in _SPLITS}
    if "train" not in parts:
        raise DataError(f"Training needs the split train, there are: {', '.join(data)}.")
    left = [name for name in data if name not in _SPLITS]
    return parts, [f"The splits {', '.join(left)} were left out."] if left else []


def _labelled(parts: dict[str, Any], targets: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Leave out splits whose targets are kept back: all -1, or all missing."""
    kept, notices = {}, []
    for name, data in parts.items():
        values = [value for column in targets for value in data[column]]
        if name != "train" and all(value is None or value == -1 for value in values):
            notices.append(f"The split {name} has no targets (all are -1 or missing): left out.")
        else:
            kept[name] = data
    return kept, notices


def _kind(data: Any, column: str) -> str:
    return type(data.features[column]).__name__


def _dtype(data: Any, column: str) -> str:
    return str(getattr(data.features[column], "dtype", ""))


def _is_number(data: Any, column: str) -> bool:
    return _kind(data, column) in ("Value", "ClassLabel") and "string" not in _dtype(data, column)


def _is_image(data: Any, columns: Sequence[str]) -> bool:
    return len(columns) == 1 and _kind(data, columns[0]) == "Image"


def _is_text(data: Any, columns: Sequence[str]) -> bool:
    return (
        len(columns) == 1
        and _kind(data, columns[0]) == "Value"
        and "string" in _dtype(data, columns[0])
    )


def _check(data: Any, columns: Sequence[str]) -> list[str]:
    for column in columns:
        if column not in data.features:
            raise ConfigError(
                f"The dataset has no column {column!r}: {did_you_mean(column, data.features)}."
            )
    return list(columns)


def _target_columns(data: Any, target: str | Sequence[str] | None) -> list[str]:
    if target is not None:
        return _check(data, [target] if isinstance(target, str) else target)
    labels = [name for name in data.features if _kind(data, name) == "ClassLabel"]
    if len(labels) == 1:
        return labels
    for name in _TARGETS:
        if name in data.features:
            return [name]
    raise DataError(
        f"Which column holds the targets cannot be told, there are: {', '.join(data.features)}. "
        f"Name it with target=."
    )


def _input_columns(
    data: Any, inputs: str | Sequence[str] | None, targets: Sequence[str]
) -> list[str]:
    if inputs is not None:
        return _check(data, [inputs] if isinstance(inputs, str) else inputs)
    rest = [name for name in data.features if name not in targets]
    for group in (
        [name for name in rest if _is_image(data, [name])],
        [name for name in rest if _is_text(data, [name])],
        [name for name in rest if not _is_number(data, name)],
    ):
        if len(group) == 1:
            return group
        if group:
            raise DataError(
                f"Which column holds the inputs cannot be told: {', '.join(group)}. Name one with "
                f"inputs=, or several for a table."
            )
    numbers = [name for name in rest if _is_number(data, name)]
    if not numbers:
        raise DataError(f"There is no column of inputs besides {', '.join(targets)}.")
    return numbers


def _class_names(data: Any, targets: Sequence[str]) -> tuple[str, ...] | None:
    if len(targets) > 1:
        return tuple(targets)
    feature = data.features[targets[0]]
    return tuple(feature.names) if type(feature).__name__ == "ClassLabel" else None


def _answers(data: Any, targets: Sequence[str]) -> Any:
    columns = [list(data[name]) for name in targets]
    for name, column in zip(targets, columns, strict=True):
        missing = [number for number, value in enumerate(column) if value is None]
        if missing:
            raise DataError(
                f"A target is missing in column {name!r}, row {missing[0]} ({len(missing)} such): "
                f"leave those rows out."
            )
    return np.array(columns[0]) if len(columns) == 1 else np.array(columns).T


def _stacked(data: Any, column: str) -> np.ndarray:
    try:
        return np.stack([np.asarray(value) for value in data[column]])
    except ValueError as error:
        raise DataError(f"Samples must all have one shape, those of {column!r} differ.") from error


def _image_task(
    parts: Mapping[str, Any],
    column: str,
    targets: Sequence[str],
    policy: ImageSettings,
    room: Room,
    given: dict[str, Any],
) -> Task:
    datasets = need("datasets", "hub", "Reading Hugging Face datasets")
    cells: list[_Cell] = []
    splits: list[str] = []
    for part, data in parts.items():
        packed = data.cast_column(column, datasets.Image(decode=False))
        cells += [_Cell(packed, column, number) for number in range(len(packed))]
        splits += [part] * len(packed)
    found = survey(cells, policy)
    y = np.concatenate([_answers(data, targets) for data in parts.values()])

    def read(order: np.ndarray) -> Rows:
        chosen = [cells[found.good[number]] for number in order]
        return read_pictures(chosen, found, policy, room, name=str(given["name"]))

    notices = (*given.pop("notices"), *found.notices)
    return planned_task(
        y[found.good],
        read,
        kind="image",
        splits=[splits[number] for number in found.good] if len(parts) > 1 else None,
        encoder=found.encoder,
        notices=notices,
        **given,
    )


def _text_task(
    parts: Mapping[str, Any], column: str, targets: Sequence[str], given: dict[str, Any]
) -> Task:
    pairs: dict[str, Any] = {}
    for part, data in parts.items():
        texts = list(data[column])
        missing = [number for number, text in enumerate(texts) if text is None]
        if missing:
            raise DataError(
                f"A text is missing in column {column!r} of {part}, row {missing[0]} "
                f"({len(missing)} such): leave those rows out."
            )
        pairs[part] = (texts, _answers(data, targets))
    texts, labels = pairs.pop("train")
    return from_text(texts, labels, **{**given, **pairs})


def _table_task(
    parts: Mapping[str, Any], columns: Sequence[str], targets: Sequence[str], given: dict[str, Any]
) -> Task:
    tables = {
        part: {name: list(data[name]) for name in (*columns, *targets)}
        for part, data in parts.items()
    }
    whole = tables.pop("train")
    names = targets[0] if len(targets) == 1 else list(targets)
    return from_table(whole, names, **{**given, **tables})


def _stem(path: Any, data: Any) -> str:
    if isinstance(path, str | Path):
        return Path(path).name
    known = getattr(getattr(data, "info", None), "dataset_name", None)
    return str(known or "dataset")
