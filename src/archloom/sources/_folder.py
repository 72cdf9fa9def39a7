"""Folders of images: a folder for each class, or a table of file names and targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._columns import Columns
from archloom.sources._decode import Fit
from archloom.sources._images import ImageSettings, read_pictures, survey
from archloom.sources._planned import Rows, planned_task
from archloom.sources._read_table import read_table
from archloom.task import Room, Task, existing, json_source

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"}
)

_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_FILE_NAMES = ("file", "files", "filename", "file_name", "image", "image_id", "path")
_JUNK = frozenset({"thumbs.db", "desktop.ini"})
_TARGET_NAMES = ("label", "labels", "class", "target", "y", "category", "diagnosis", "dx", "grade")
_GROUP_NAMES = ("group", "patient", "patient_id", "patientid", "subject", "subject_id", "lesion_id")
_SPLIT_NAMES = ("split", "set", "subset", "partition")


@dataclass(frozen=True)
class _Listing:
    """Files with the target, split and group of each."""

    files: list[Path]
    targets: np.ndarray
    splits: list[str]
    groups: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    notices: tuple[str, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def split(self) -> bool:
        """Whether the splits are given."""
        return len(set(self.splits)) > 1


def from_images(
    path: str | Path,
    *,
    table: str | Path | None = None,
    files: str | None = None,
    target: str | Sequence[str] | None = None,
    predict: Any = None,
    groups: str | None = None,
    split: str | None = None,
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
    """Read images from a folder that holds one folder for each class, or by a table of files.

    The class folders may lie in folders `train`, `val` and `test`, which are kept as splits.
    With a `table` (CSV or Parquet; also one alone beside the images, or given as `path`), the
    column `files` names the images, relative to `path`; `target` is one or several columns.
    Text is a class, and so are few whole numbers; several columns of 0 and 1 are labels, other
    columns are numbers, unless `predict` says it (as `target` of `from_arrays` does). `split` is a
    column of train, val and test; samples of one value of the column `groups` stay together.
    Columns that are not named are guessed, and a notice says so.

    Without `size`, all images must have one size; with it, `fit` says what happens to another
    aspect ratio: `stretch` it, `crop` the middle, or `pad`. `colour` is `grey`, `rgb`, `rgba`, or
    `auto`: grey where all images are, else rgb with transparency laid on white. Images of 16 bits
    keep them. EXIF orientation is applied. Files that cannot be read are an error; with
    `skip_broken` they are left out, and the task's notices say which. Images of more than
    `max_pixels` are refused. Further settings are those of `from_arrays`.

    Raises:
        DataError: when there are no images, files cannot be read, or sizes differ.
        MissingExtra: without Pillow.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number in range(20):
    ...         file = Path(folder) / ("cat", "dog")[number % 2] / f"{number}.png"
    ...         file.parent.mkdir(exist_ok=True)
    ...         Image.new("RGB", (9, 8), (number, 0, 0)).save(file)
    ...     from_images(folder, valid=0.2, name="pets")
    Task('pets', 16/4/0, shape=(3, 8, 9), classes=2)
    """
    policy = ImageSettings(size, fit, colour, skip_broken, max_pixels)
    path = existing(path, "folder of images")
    columns = {"files": files, "target": target, "groups": groups, "split": split}
    listing = _listing(path, table, columns)
    found = survey(listing.files, policy)
    source = settings.pop("source", None) or json_source(
        "images",
        path=path,
        **listing.origin,
        **_plain(policy),
        predict=predict,
        valid=valid,
        test=test,
        seed=seed,
        memory=memory,
        cache=cache,
        **settings,
    )
    given: dict[str, Any] = {"name": path.stem, **settings}
    if listing.names is not None and len(listing.names) > 1:
        given.setdefault("class_names", listing.names)
    given["notices"] = (*listing.notices, *found.notices, *settings.get("notices", ()))
    room = Room.of(memory, cache)

    def read(order: np.ndarray) -> Rows:
        files = [listing.files[found.good[number]] for number in order]
        return read_pictures(files, found, policy, room, name=path.stem or "images")

    return planned_task(
        listing.targets[found.good],
        read,
        kind="image",
        splits=[listing.splits[index] for index in found.good] if listing.split else None,
        groups=None if listing.groups is None else listing.groups[found.good],
        target=predict,
        valid=valid,
        test=test,
        seed=seed,
        encoder=found.encoder,
        source=source,
        **given,
    )


def _plain(policy: ImageSettings) -> dict[str, Any]:
    plain = {"fit": policy.fit, "colour": policy.colour, "skip_broken": policy.skip_broken}
    size = None if policy.size is None else list(policy.size)
    return {**plain, "size": size, "max_pixels": policy.max_pixels}


def _listing(path: Path, table: str | Path | None, columns: dict[str, Any]) -> _Listing:
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise DataError(f"{path} is one image; give the folder of images.")
        return _by_table(path, path.parent, columns, {})
    if table is not None:
        found = Path(table).expanduser()
        found = found if found.exists() or found.is_absolute() else path / found
        found = existing(found, "table of images")
        return _by_table(found, path, columns, {"table": found})
    inside = [
        sub for sub in sorted(path.iterdir()) if sub.is_dir() and not sub.name.startswith(".")
    ]
    tables = [file for file in sorted(path.iterdir()) if file.suffix.lower() in (".csv", ".tsv")]
    if any(value is not None for value in columns.values()) or not inside:
        if len(tables) != 1:
            raise DataError(
                f"A folder of images holds a folder for each class, or a table of files and "
                f"targets; {path} has {len(inside)} folders and {len(tables)} tables. Name one "
                f"with table=."
            )
        return _by_table(tables[0], path, columns, {})
    return _by_folder(path, inside)


# -- a folder for each class ---------------------------------------------------------------------


def _by_folder(path: Path, inside: Sequence[Path]) -> _Listing:
    splits = {folder: _SPLITS.get(folder.name.lower()) for folder in inside}
    found: list[tuple[str, str, Path]] = []
    notices: list[str] = []
    if "train" in splits.values():
        for folder, part in splits.items():
            if part is None:
                raise DataError(
                    f"{path} has a folder train, so that all its folders must be splits; "
                    f"{folder.name!r} is none of {', '.join(_SPLITS)}."
                )
            classes = [sub for sub in sorted(folder.iterdir()) if sub.is_dir()]
            if not classes:
                raise DataError(f"A split has a folder for each class, {folder} has none.")
            found += [(part, sub.name, file) for sub in classes for file in _images_in(sub)]
            notices += [f"The folder {sub} holds no image." for sub in classes if _empty(sub)]
    else:
        found += [("train", sub.name, file) for sub in inside for file in _images_in(sub)]
        notices += [f"The folder {sub} holds no image." for sub in inside if _empty(sub)]
    if not found:
        raise DataError(f"There is no image below {path}.")
    targets = np.array([label for _, label, _ in found])
    names = tuple(sorted(set(targets.tolist())))
    files = [file for _, _, file in found]
    parts = [part for part, _, _ in found]
    return _Listing(files, targets, parts, None, names, tuple(notices))


def _images_in(folder: Path) -> Iterable[Path]:
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden and file.name.lower() not in _JUNK:
            yield file


def _empty(folder: Path) -> bool:
    return next(iter(_images_in(folder)), None) is None


# -- a table of files and targets ----------------------------------------------------------------


def _by_table(table: Path, root: Path, columns: dict[str, Any], origin: dict[str, Any]) -> _Listing:
    content = read_table(table)
    notices: list[str] = []
    file_column = _file_column(content, columns["files"], root, table)
    split_column = columns["split"] or _guess(content, _SPLIT_NAMES, _are_splits, "split", notices)
    group_column = columns["groups"] or _guess(content, _GROUP_NAMES, None, "groups", notices)
    used = [file_column, split_column, group_column]
    wanted = columns["target"] or _target_columns(content, used, table, notices)
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in filter(None, (*wanted, split_column, group_column)):
        if name not in content.values:
            raise ConfigError(
                f"{table} has no column {name!r}: {did_you_mean(name, content.values)}."
            )
    numbered = _numbered(root)
    files = [_found(root, str(name), numbered, table) for name in content.values[file_column]]
    splits = ["train"] * len(files)
    if split_column:
        splits = [_split_of(str(value), table) for value in content.values[split_column]]
    chosen = {
        "files": file_column,
        "target": wanted,
        "groups": group_column,
        "split": split_column,
    }
    return _Listing(
        files,
        _values(content, wanted, table),
        splits,
        content.values[group_column] if group_column else None,
        tuple(wanted) if len(wanted) > 1 else None,
        tuple(notices),
        {**origin, **chosen},
    )


def _values(content: Columns, wanted: Sequence[str], table: Path) -> np.ndarray:
    for name in wanted:
        column = content.values[name]
        missing = [i for i, value in enumerate(column.tolist()) if value is None or value != value]
        if missing:
            raise DataError(
                f"A target is missing in column {name!r} of {table}, row {missing[0] + 1} "
                f"({len(missing)} such): leave those rows out."
            )
    if len(wanted) == 1:
        column = content.values[wanted[0]]
        return column.astype(str) if column.dtype.kind == "O" else column
    try:
        return np.stack([content.values[name].astype(np.float32) for name in wanted], axis=1)
    except ValueError as error:
        raise DataError(
            f"Several targets must be columns of numbers, {', '.join(wanted)} of {table} are not "
            f"({error})."
        ) from error


def _file_column(content: Columns, named: str | None, root: Path, table: Path) -> str:
    if named is not None:
        if named not in content.values:
            raise ConfigError(
                f"{table} has no column {named!r}: {did_you_mean(named, content.values)}."
            )
        return named
    for name, column in content.values.items():
        first = [str(value) for value in column[:20]]
        if all(Path(value).suffix.lower() in IMAGE_SUFFIXES for value in first):
            return name
    for name, column in content.values.items():  # names without their suffix, as Kaggle's are
        if name.lower() in _FILE_NAMES:
            return name
        if len(column) and _with_suffix(root, str(column[0])) is not None:
            return name
    raise DataError(
        f"No column of {table} names images in {root}; it has {', '.join(content.values)}. Name "
        f"the column with files=, and the folder of the images as the path, with table=."
    )


def _with_suffix(root: Path, name: str) -> Path | None:
    if not name or name in (".", ".."):
        return None
    options = [root / name, *(root / f"{name}{suffix}" for suffix in sorted(IMAGE_SUFFIXES))]
    return next((file for file in options if file.is_file()), None)


def _numbered(root: Path) -> dict[int, Path]:
    """Give the images whose names are numbers: a table of 7 may mean 007.png."""
    files = (file for file in sorted(root.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES)
    return {int(file.stem): file for file in files if file.stem.isascii() and file.stem.isdigit()}


def _found(root: Path, name: str, numbered: dict[int, Path], table: Path) -> Path:
    found = _with_suffix(root, name)
    if found is None and re.fullmatch(r"\d+(\.0)?", name):
        found = numbered.get(int(float(name)))
    if found is None:
        raise DataError(
            f"{table} names the image {name!r}, which is not in {root}. Are the names relative to "
            f"another folder? Give that as the path, and table=."
        )
    return found


def _guess(
    content: Columns, names: Sequence[str], fits: Any, what: str, notices: list[str]
) -> str | None:
    for name, column in content.values.items():
        if name.lower() in names and (fits is None or fits(column)):
            notices.append(f"The column {name!r} was taken as {what}=.")
            return name
    return None


def _are_splits(column: np.ndarray) -> bool:
    return all(str(value).lower() in _SPLITS for value in column)


def _split_of(value: str, table: Path) -> str:
    part = _SPLITS.get(value.lower())
    if part is None:
        raise DataError(f"A split is one of {', '.join(_SPLITS)}, {table} has {value!r}.")
    return part


def _target_columns(
    content: Columns, used: Sequence[str | None], table: Path, notices: list[str]
) -> list[str]:
    rest = [name for name in content.values if name not in used]
    for name in rest:
        if name.lower() in _TARGET_NAMES:
            if len(rest) > 1:
                notices.append(f"The column {name!r} was taken as target=.")
            return [name]
    binary = all(set(np.unique(content.values[n]).tolist()) <= {0, 1} for n in rest)
    if len(rest) == 1 or (rest and binary):
        return rest
    raise DataError(
        f"Which column of {table} holds the targets cannot be told: it has "
        f"{', '.join(content.values)}. Name one or several with target=."
    )
