"""Which source reads a path or an object: by what it is, not only by what it is called."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from archloom.errors import DataError
from archloom.task._sniff import kind_of, mend_of

_MEDMNIST = re.compile(
    r"((path|chest|derma|oct|pneumonia|retina|breast|blood|tissue|organ[acs])mnist"
    r"|(organ|nodule|adrenal|fracture|vessel|synapse)mnist3d"
    r"|organmnist_(axial|coronal|sagittal))(_(28|64|128|224))?",
    re.IGNORECASE,
)
_TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz", ".txt")
_HDF = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_PARAMETERS = {"idx": "files", "text": "texts", "light-curves": "source"}
_CURVE = frozenset({"mjd", "flux", "flux_err"})  # columns of light curves
_LOOKED_AT = 400  # files of a folder


def source_of_path(path: Path) -> tuple[str, str]:
    """Give the source that reads a path, and the name of its parameter for it.

    Raises:
        DataError: when nothing here reads it; the message says what it is and what to do.
    """
    name = _of_folder(path) if path.is_dir() else _of_file(path)
    return name, _PARAMETERS.get(name, "path")


def source_of_object(thing: Any) -> tuple[str, dict[str, Any]]:
    """Give the source that takes data in memory, and its arguments.

    Raises:
        DataError: for objects that none takes.
    """
    if isinstance(thing, tuple | list) and len(thing) == 2:
        return "arrays", {"X": thing[0], "y": thing[1]}
    if "datasets" in sys.modules and _is_hub(thing):
        return "hub", {"path": thing}
    if isinstance(thing, Dataset):
        return "dataset", {"data": thing}
    if hasattr(thing, "iloc") and hasattr(thing, "columns"):
        return "table", {"path": thing}
    if isinstance(thing, dict) and {"train"} <= thing.keys():
        return "dataset", {"data": thing["train"], **_named_parts(thing)}
    raise DataError(
        f"Data are a name, a path, a pair (X, y), a torch Dataset, a pandas frame or a Hugging "
        f"Face dataset, got {type(thing).__name__}."
    )


def _named_parts(parts: dict[str, Any]) -> dict[str, Any]:
    names = {"valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
    return {names[name]: part for name, part in parts.items() if name in names}


def _is_hub(thing: Any) -> bool:
    datasets = sys.modules["datasets"]
    return isinstance(thing, datasets.Dataset | datasets.DatasetDict)


def _of_file(path: Path) -> str:
    kind, words = kind_of(path)
    name = path.name.lower()
    if kind == "zip" or name.endswith(".npz"):
        if kind == "zip" and _members(path) >= _CURVE:
            return "light-curves"
        return "medmnist" if _MEDMNIST.fullmatch(path.stem) else "npz"
    if kind == "npy" or name.endswith(".npy"):
        return "npy"
    if kind in ("hdf5", "netcdf") or name.endswith(_HDF):
        return "netcdf"
    if name.endswith((".tar.gz", ".tgz", ".tar")) or _is_cifar_name(name):
        return "cifar"
    if kind == "text" and name.endswith(_TABLES):
        first, second = _first_rows(path)
        if set(re.split(r"[,;\t]", first)) >= _CURVE:
            return "light-curves"
        if any(suffix in second for suffix in _IMAGES):
            return "images"
    if kind == "parquet" or (name.endswith(_TABLES) and kind in ("text", "gzip")):
        return "table"
    mend = mend_of(kind) or (
        "give the folder of the studies"
        if kind == "dicom"
        else "read it to arrays and use archloom.task.from_arrays"
    )
    raise DataError(
        f"Data come from .npz, .npy, CSV, Parquet, NetCDF and HDF5 files, and from folders of IDX "
        f"files, CIFAR, images or DICOM files; {path} is {words}: {mend}."
    )


def _of_folder(path: Path) -> str:
    names = {file.name.lower() for file in path.iterdir()}
    if any("idx" in name or name.startswith("train-images") for name in names):
        return "idx"
    if any(_is_cifar_name(name) or name.startswith("cifar-10") for name in names):
        return "cifar"
    if {"train", "test", "meta"} <= names and (path / "meta").is_file():
        return "cifar"
    if names & {"dataset_dict.json", "dataset_info.json"}:
        return "hub"
    if any(name.endswith(".npy") for name in names):
        return "npy"
    kinds = [_kind_inside(file) for file in _first_files(path)]
    if "dicom" in kinds:
        return "dicom"
    if "image" in kinds:
        return "images"
    what = ", ".join(sorted(names)[:10]) or "nothing"
    raise DataError(
        f"A folder of data holds IDX files (train-images*, train-labels*, t10k-images*), CIFAR's "
        f"files, images in a folder for each class or beside a table, DICOM files, or .npy files; "
        f"{path} holds {what}."
    )


def _first_rows(table: Path) -> tuple[str, str]:
    with table.open("rb") as file:
        rows = file.read(4096).decode(errors="replace").lower().splitlines()
    return rows[0].replace('"', ""), rows[1] if len(rows) > 1 else ""


def _members(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):  # the source says what is wrong
        return set()


def _is_cifar_name(name: str) -> bool:
    return bool(re.fullmatch(r"data_batch_\d+(\.bin)?|test_batch(\.bin)?|(train|test)\.bin", name))


def _first_files(path: Path) -> Iterator[Path]:
    found = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    for _, file in zip(range(_LOOKED_AT), found, strict=False):
        yield file


def _kind_inside(file: Path) -> str:
    kind, _ = kind_of(file)
    if kind not in ("image", "dicom") and file.suffix.lower() in _IMAGES:
        return "image"  # perhaps a broken one: the source says so
    if kind == "empty" and file.suffix.lower() in (".dcm", ".dicom"):
        return "dicom"
    return kind
