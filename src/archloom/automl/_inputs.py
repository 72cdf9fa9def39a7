"""Files that a model is to predict for, read into what its encoder takes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.automl._encode import ArrayEncoder
from archloom.automl._file import ModelFile
from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources import (
    ImageEncoder,
    ScanEncoder,
    SeriesEncoder,
    TableEncoder,
    TextEncoder,
    image_size,
    read_table,
)

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_TABLES = (".csv", ".tsv", ".txt", ".gz", ".parquet")
_KEYS = ("X", "images", "series", "data", "test_images")


@dataclass(frozen=True)
class Batch:
    """The samples of one file: raw data for the encoder, and what each is called.

    `note` says what reading the file changes in it.
    """

    raw: Any
    names: tuple[str, ...]
    note: str | None = None


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Name the file in which decoding finds damage, which shows only when pixels are read.

    Raises:
        DataError: in place of what Pillow raises.
    """
    try:
        yield
    except (OSError, SyntaxError, struct.error, zlib.error) as error:
        raise DataError(
            f"{name!r} is truncated or damaged ({error}): get it again, or leave it out."
        ) from error


def read_inputs(
    model: ModelFile, paths: Sequence[Path], *, column: str | None = None, key: str | None = None
) -> Iterator[Batch]:
    """Read the files one by one; folders stand for the files in them.

    Args:
        model: its encoder says what files there can be.
        column: of a table, where the texts are; the one trained on by default.
        key: of an `.npz` file, the name of the array.

    Raises:
        DataError: for files that are missing or of another kind than the model's data.

    >>> import tempfile
    >>> from archloom.automl import TextClassifier, load_model_file
    >>> settings = {"minutes": None, "trials": 1, "epochs": 2, "folds": None, "progress": False}
    >>> door = TextClassifier(**settings).fit(["a fine day", "a bad day"] * 20, [1, 0] * 20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = load_model_file(door.export(f"{folder}/model.pt"))
    ...     file = Path(folder) / "new.txt"
    ...     _ = file.write_text("fine\\nso bad\\n")
    ...     [batch] = read_inputs(model, [file])
    >>> batch.raw
    ['fine', 'so bad']
    """
    for path in paths:
        if not path.exists():
            raise DataError(f"There is no file or folder {str(path)!r}.")
    known = model.source or {}
    match model.encoder:
        case ImageEncoder() as encoder:
            for file in _images(paths):
                yield Batch([file], (str(file),), _resized(file, encoder))
        case ScanEncoder():
            yield from ((Batch([path], (str(path),))) for path in paths)
        case TableEncoder() as table:
            yield from (_rows(path, _table(path, table, key)) for path in paths)
        case TextEncoder():
            yield from (_texts(path, column or known.get("text")) for path in paths)
        case SeriesEncoder():
            yield from (_series(path, key, known.get("target")) for path in paths)
        case ArrayEncoder() as encoder:
            for path in _images(paths):
                yield _arrays(path, key, encoder)
        case _:
            raise ConfigError(
                "This model takes several inputs, which no single file holds: load it in Python "
                "with archloom.automl.load_model_file, and give its `finished` a dict."
            )


def _images(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGES)
        if not inside:
            raise DataError(f"The folder {str(path)!r} holds no images.")
        yield from inside


def _table(path: Path, encoder: TableEncoder | None = None, key: str | None = None) -> Any:
    known = _names(encoder)
    if encoder is not None and not encoder.named and path.suffix.lower() in (".npy", ".npz"):
        return _array(path, key)
    if path.suffix.lower() in (".npy", ".npz"):
        columns = "" if encoder is None else f" with the columns {', '.join(sorted(known))}"
        raise DataError(
            f"The model takes tables with named columns, which the array file {str(path)!r} does "
            f"not hold: write it as a CSV file{columns}."
        )
    table = read_table(path)
    alone = {str(column[0]) for column in table.values.values()} if len(table) == 1 else set()
    names_only = bool(alone & known) and not known & set(table.values)
    if not len(table) or names_only:
        raise DataError(
            f"{str(path)!r} holds no rows{', only the names of the columns' * names_only}: add a "
            f"row for each sample."
        )
    return table


def _names(encoder: TableEncoder | None) -> set[str]:
    return set() if encoder is None else {c["name"] for c in encoder.to_json()["columns"]}


def _resized(path: Path, encoder: ImageEncoder) -> str | None:
    """Say how a picture of another size than the model's is changed."""
    height, width = image_size(path)
    if (height, width) == encoder.size:
        return None
    how = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}[encoder.fit]
    return (
        f"{path} was {how} from {width}x{height} to {encoder.size[1]}x{encoder.size[0]} pixels, "
        f"the size that the model takes."
    )


def _rows(path: Path, table: Any) -> Batch:
    return Batch(table, _numbered(path, len(table)))


def _texts(path: Path, column: str | None) -> Batch:
    if path.suffix.lower() == ".txt":
        lines = path.read_text(encoding="utf-8").splitlines()
        return Batch(lines, _numbered(path, len(lines)))
    table = _table(path)
    if column is None:
        raise ConfigError(
            f"Which column holds the texts? Pass --column: {', '.join(table.values)}."
        )
    if column not in table.values:
        raise DataError(f"There is no column {column!r}: {did_you_mean(column, table.values)}.")
    values = [str(value) for value in table.values[column]]
    return Batch(values, _numbered(path, len(values)))


def _series(path: Path, key: str | None, target: Any = None) -> Batch:
    if path.suffix.lower() in (".npz", ".npy"):
        array = _array(path, key)
        return Batch(array, _numbered(path, len(array)))
    table = _table(path).without([] if target is None else [target])
    columns = [np.asarray(column, dtype=np.float64) for column in table.values.values()]
    return Batch(np.stack(columns, 1), _numbered(path, len(table)))


def _arrays(path: Path, key: str | None, encoder: ArrayEncoder) -> Batch:
    ending = path.suffix.lower()
    if ending in (".npz", ".npy"):
        array = _array(path, key)
        return Batch(array, _numbered(path, len(array)))
    if ending in IMAGES and encoder.kind == "image":
        return Batch(_pixels(path, encoder.shape[0]), (str(path),))
    if ending in _TABLES and encoder.kind == "table":
        return _series(path, key)
    raise DataError(
        f"A model of {encoder.kind} arrays reads .npz and .npy files"
        f"{' and images' if encoder.kind == 'image' else ''}, got {str(path)!r}."
    )


def _array(path: Path, key: str | None) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{str(path)!r} cannot be read as arrays: {error}") from error
    if isinstance(found, np.ndarray):
        return found
    with found:
        names = list(found.files)
        name = key or next((k for k in _KEYS if k in names), names[0] if len(names) == 1 else None)
        if name is None or name not in names:
            wrong = "" if key is None else f"{did_you_mean(key, names)}. "
            raise DataError(
                f"Which array of {str(path)!r} holds the inputs? {wrong}Pass --key: "
                f"{', '.join(names)}."
            )
        array: np.ndarray = found[name]
        return array


def _pixels(path: Path, channels: int) -> np.ndarray:
    modes: dict[int, Any] = {1: "grey", 3: "rgb", 4: "rgba"}
    if channels not in modes:
        raise DataError(f"The model takes images of {channels} channels, which no image file has.")
    encoder = ImageEncoder(image_size(path), colour=modes[channels])
    with decoding(str(path)):
        return encoder.transform([path]).numpy()


def _numbered(path: Path, count: int) -> tuple[str, ...]:
    return tuple(f"{path}[{index}]" for index in range(count))
