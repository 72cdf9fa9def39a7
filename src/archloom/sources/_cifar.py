"""CIFAR-10 and CIFAR-100 from the files their authors published (Krizhevsky 2009)."""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError
from archloom.sources._unpickle import plain_pickle
from archloom.task import Task, existing, from_arrays, json_source, refuse_other

_PIXELS = 3 * 32 * 32
_LARGEST = 400_000_000  # bytes: the largest published file holds 185 million
_TRAIN = re.compile(r"(data_batch_\d+|train)(\.bin)?$")
_TEST = re.compile(r"(test_batch|test)(\.bin)?$")
_NAMES = re.compile(r"(batches\.meta|meta|batches\.meta\.txt|(fine|coarse)_label_names\.txt)$")
_TAR = (tarfile.TarError, OSError, EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class _Batch:
    images: np.ndarray
    labels: Mapping[str, np.ndarray]


def from_cifar(
    path: str | Path,
    *,
    labels: str = "fine",
    valid: float = 0.1,
    test: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> Task:
    """Read CIFAR-10 or CIFAR-100: the folder of its files, their `.tar.gz`, or one `.bin` file.

    Both the binary version and the version for Python are read; of the latter's pickles only
    plain arrays, text and numbers are taken, so that no code in them can run. Training batches
    are put in the order of their numbers; the test batch is the test split. `labels="coarse"`
    gives the 20 superclasses of CIFAR-100. Mirroring is allowed as augmentation.
    Further settings are those of `from_arrays`.

    Raises:
        DataError: when files are missing, truncated or of another kind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = [bytes([label]) + bytes(3072) for label in (0, 1)]
    ...     _ = (Path(folder) / "data_batch_1.bin").write_bytes(b"".join(record * 10))
    ...     from_cifar(folder, valid=0.2, name="tiny")
    Task('tiny', 16/4/0, shape=(3, 32, 32), classes=2)
    """
    if labels not in ("fine", "coarse"):
        raise ConfigError(f"labels is 'fine' or 'coarse', got {labels!r}.")
    path = existing(path, "file or folder of CIFAR")
    files = _files(path)
    names = _class_names(files, labels)
    train = [_batch(name, files[name], labels) for name in _ordered(files, _TRAIN)]
    tested = [_batch(name, files[name], labels) for name in _ordered(files, _TEST)]
    if not train and tested and path.is_file():
        train, tested = tested, []
    if not train:
        raise DataError(
            f"CIFAR has files data_batch_* or train, with or without .bin; {path} holds "
            f"{', '.join(sorted(files)) or 'none of them'}."
        )
    given = {"name": _stem(path), "augment_ops": ("shift", "flip"), **settings}
    if names and "class_names" not in given and "classes" not in given:
        given["class_names"] = names
    if "source" not in given:
        options = {"labels": labels, "valid": valid, "test": test, "seed": seed, **settings}
        given["source"] = json_source("cifar", path=path, **options)
    X, y = _joined(train, labels)
    given["test"] = _joined(tested, labels) if tested else test
    return from_arrays(X, y, valid=valid, seed=seed, layout="NCHW", **given)


def _searched(folder: Path) -> list[Path]:
    """Give the files of the folder, and those of the folders that the archives unpack to."""
    inner = [sub for sub in folder.iterdir() if sub.is_dir() and sub.name.startswith("cifar-10")]
    return [file for place in (folder, *sorted(inner)) for file in place.iterdir()]


def _files(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        found = [file for file in _searched(path) if file.is_file() and _wanted(file.name)]
        return {file.name: _checked(file) for file in found}
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return _unpacked(path)
    return {path.name if _TEST.search(path.name) else "train.bin": _checked(path)}


def _wanted(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in (_TRAIN, _TEST, _NAMES))


def _checked(file: Path) -> bytes:
    if file.stat().st_size > _LARGEST:
        raise DataError(
            f"A file of CIFAR has at most {_LARGEST:,} bytes, {file} has "
            f"{file.stat().st_size:,}: is it another format?"
        )
    return file.read_bytes()


def _unpacked(path: Path) -> dict[str, bytes]:
    """Read members by name; nothing is written to disk, and sizes are checked before reading."""
    if not path.name.endswith(".tar"):
        refuse_other(path, "gzip", "a .tar.gz archive of CIFAR")
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if not member.isfile() or not _wanted(name):
                    continue
                if member.size > _LARGEST:
                    raise DataError(
                        f"A file of CIFAR has at most {_LARGEST:,} bytes, {member.name} in {path} "
                        f"has {member.size:,}: is it another archive?"
                    )
                stream = archive.extractfile(member)
                found[name] = stream.read() if stream is not None else b""
    except _TAR as error:
        raise DataError(f"{path} is truncated or damaged ({error}): get it again.") from error
    return found


def _ordered(files: Mapping[str, bytes], pattern: re.Pattern[str]) -> list[str]:
    """Give the file names that match, data_batch_10 after data_batch_9."""
    names = [name for name in files if pattern.fullmatch(name)]
    return sorted(names, key=lambda name: (int((re.findall(r"\d+", name) or ["0"])[0]), name))


def _batch(name: str, data: bytes, labels: str) -> _Batch:
    return _binary(name, data, labels) if name.endswith(".bin") else _pickled(name, data)


def _binary(name: str, data: bytes, labels: str) -> _Batch:
    """Records of one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), and pixels."""
    fits = [columns for columns in (1, 2) if data and len(data) % (columns + _PIXELS) == 0]
    if not fits:
        raise DataError(
            f"A binary file of CIFAR has records of {_PIXELS + 1} bytes (CIFAR-10) or "
            f"{_PIXELS + 2} (CIFAR-100); {name} has {len(data):,} bytes: it is truncated or of "
            f"another format. Get it again."
        )
    if len(fits) == 2:  # only the names tell then
        fits = [1] if "batch" in name else [2]
    rows = np.frombuffer(data, np.uint8).reshape(-1, fits[0] + _PIXELS)
    columns = ("fine",) if fits[0] == 1 else ("coarse", "fine")
    images = rows[:, fits[0] :].reshape(-1, 3, 32, 32)
    return _Batch(images, {column: rows[:, i].copy() for i, column in enumerate(columns)})


def _pickled(name: str, data: bytes) -> _Batch:
    content = plain_pickle(data, name)
    if not isinstance(content, dict):
        raise DataError(f"A batch of CIFAR is a dict with data and labels, {name} is not one.")
    found = {key.decode() if isinstance(key, bytes) else str(key): v for key, v in content.items()}
    images = found.get("data")
    columns = {"fine": found.get("labels", found.get("fine_labels"))}
    columns["coarse"] = found.get("coarse_labels")
    if not isinstance(images, np.ndarray) or columns["fine"] is None:
        raise DataError(
            f"A batch of CIFAR has data and labels, {name} has {', '.join(sorted(found))}."
        )
    if images.ndim != 2 or images.shape[1] != _PIXELS or images.dtype != np.uint8:
        raise DataError(
            f"Images of CIFAR are rows of {_PIXELS} bytes, those of {name} have shape "
            f"{images.shape} and dtype {images.dtype}."
        )
    labels = {key: np.asarray(value) for key, value in columns.items() if value is not None}
    return _Batch(images.reshape(-1, 3, 32, 32), labels)


def _joined(batches: list[_Batch], labels: str) -> tuple[np.ndarray, np.ndarray]:
    for batch in batches:
        if labels not in batch.labels:
            raise DataError(
                "Only CIFAR-100 has coarse labels, these files have one label an image: leave "
                "labels='coarse' out."
            )
    images = np.concatenate([batch.images for batch in batches])
    return images, np.concatenate([batch.labels[labels] for batch in batches])


def _class_names(files: Mapping[str, bytes], labels: str) -> list[str] | None:
    for name in ("batches.meta.txt", f"{labels}_label_names.txt"):
        if name in files:
            return files[name].decode("utf-8", errors="replace").split()
    for name, key in (("batches.meta", "label_names"), ("meta", f"{labels}_label_names")):
        if name in files:
            content = plain_pickle(files[name], name)
            known = content.get(key, content.get(key.encode())) or []
            return [text.decode() if isinstance(text, bytes) else str(text) for text in known]
    return None


def _stem(path: Path) -> str:
    return re.sub(r"(-binary|-python)?(\.tar)?(\.gz|\.tgz|\.bin)?$", "", path.name)
