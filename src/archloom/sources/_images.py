"""Many image files to the rows of one array, with threads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archloom.errors import DataError
from archloom.sources._decode import (
    Fit,
    Header,
    ImageEncoder,
    Openable,
    check_policy,
    parse_size,
    quiet_pillow,
    read_header,
)
from archloom.sources._planned import Rows
from archloom.task import Room, cached_rows

_AT_A_TIME = 256
_MANY = 2000  # files from which on a terminal is shown how far reading is


@dataclass(frozen=True)
class ImageSettings:
    """How image files are read; `size` and `colour` are found in the files where not given."""

    size: Any = None
    fit: Fit = "stretch"
    colour: str = "auto"
    skip_broken: bool = False
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "size", parse_size(self.size))
        check_policy(self.fit, "rgb" if self.colour == "auto" else self.colour)


@dataclass(frozen=True)
class Survey:
    """What the headers of image files say: which can be read, how all become one form."""

    good: np.ndarray
    encoder: ImageEncoder
    notices: tuple[str, ...]
    broken: tuple[tuple[Openable, str], ...] = ()


def survey(files: Sequence[Openable], settings: ImageSettings) -> Survey:
    """Look at the first bytes of image files.

    Raises:
        DataError: for files that are no images, unless they are to be skipped, and for sizes that
            differ where no size is given.
    """

    def look(file: Openable) -> Header | str:
        try:
            return read_header(file, settings.max_pixels)
        except DataError as error:
            if not settings.skip_broken:
                raise _broken(str(error)) from error
            return str(error)

    headers: dict[int, Header] = {}
    broken: list[tuple[Openable, str]] = []
    with quiet_pillow():
        for index, found in enumerate(_each(look, files, "looking at images")):
            if isinstance(found, Header):
                headers[index] = found
            else:
                broken.append((files[index], found))
    if not headers:
        raise _none_left(files, broken)
    encoder, notices = _encoder(files, headers, settings)
    good = np.array(list(headers), dtype=np.int64)
    return Survey(good, encoder, tuple(notices), tuple(broken))


def read_pictures(
    files: Sequence[Openable],
    found: Survey,
    settings: ImageSettings,
    room: Room,
    name: str = "images",
) -> Rows:
    """Read image files to rows (channels, height, width) of one array, in the given order.

    Raises:
        DataError: for files that cannot be read, unless they are to be skipped.
    """
    encoder = found.encoder
    with quiet_pillow():
        rows, note = cached_rows(
            lambda rows: _fill(rows, files, encoder, settings.skip_broken),
            (len(files), *encoder.shape),
            encoder.dtype,
            room=room,
            files=[file for file in files if isinstance(file, Path)],
            options={
                **encoder.to_json(),
                "skip_broken": settings.skip_broken,
                "others": [str(file) for file in files if not isinstance(file, Path)],
            },
            name=name,
        )
    broken = [*found.broken, *((files[index], why) for index, why in note["broken"])]
    kept = np.array(note["kept"], dtype=np.int64)
    if not len(kept):
        raise _none_left(files, broken)
    return Rows(rows[: len(kept)], kept, tuple(_skipped(len(files) + len(found.broken), broken)))


def _encoder(
    files: Sequence[Openable], headers: dict[int, Header], settings: ImageSettings
) -> tuple[ImageEncoder, list[str]]:
    """Settle size, colours and depth that fit all files."""
    notices = []
    colours = {header.colour for header in headers.values()}
    colour: Any = settings.colour
    if colour == "auto":
        colour = "grey" if colours == {"grey"} else "rgb"
        if "rgba" in colours:
            count = sum(header.colour == "rgba" for header in headers.values())
            notices.append(
                f"{count} of {len(headers)} images have an alpha channel and are laid on white: "
                f"colour='rgba' keeps it."
            )
        elif len(colours) > 1:
            count = sum(header.colour == "grey" for header in headers.values())
            notices.append(f"{count} of {len(headers)} images are grey, the others have colours.")
    depths = {header.deep for header in headers.values()}
    if depths == {True, False}:
        count = sum(header.deep for header in headers.values())
        notices.append(
            f"{count} of {len(headers)} images have more than 8 bits a channel; the others are "
            f"scaled up to 16 bits."
        )
    size = settings.size or _common_size(files, headers)
    encoder = ImageEncoder(size, settings.fit, colour, True in depths, settings.max_pixels)
    return encoder, notices


def _common_size(files: Sequence[Openable], headers: dict[int, Header]) -> tuple[int, int]:
    first = next(iter(headers))
    size = (headers[first].height, headers[first].width)
    for index, header in headers.items():
        if (header.height, header.width) != size:
            raise DataError(
                f"Images must all have one size: {files[first]} has {size[1]}x{size[0]} pixels, "
                f"{files[index]} has {header.width}x{header.height}. Give size=(height, width) to "
                f"resize them, and fit='stretch', 'crop' or 'pad'."
            )
    return size


def _fill(
    rows: np.ndarray, files: Sequence[Openable], encoder: ImageEncoder, skip_broken: bool
) -> dict[str, Any]:
    def read(file: Openable) -> np.ndarray | str:
        try:
            return encoder.decode(file)
        except DataError as error:
            if not skip_broken:
                raise _broken(str(error)) from error
            return str(error)

    kept: list[int] = []
    broken: list[tuple[int, str]] = []
    for index, found in enumerate(_each(read, files, "reading images")):
        if isinstance(found, str):
            broken.append((index, found))
        else:
            rows[len(kept)] = found
            kept.append(index)
    return {"kept": kept, "broken": broken}


def _each(work: Any, files: Sequence[Openable], what: str) -> Iterator[Any]:
    """Do the work with threads; results come in order, and few at a time wait in memory."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool, _progress(len(files), what) as on:
        for start in range(0, len(files), _AT_A_TIME):
            part = files[start : start + _AT_A_TIME]
            yield from pool.map(work, part)
            on(len(part))


@contextmanager
def _progress(total: int, what: str) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if total < _MANY or not console.is_terminal:
        yield lambda count: None
        return
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda count: progress.advance(bar, count)


def _broken(why: str) -> DataError:
    return DataError(
        f"{why} Get the file again, remove it, or leave such files out with skip_broken=True."
    )


def _none_left(files: Sequence[Openable], broken: list[tuple[Openable, str]]) -> DataError:
    why = broken[0][1] if broken else "there are none"
    return DataError(f"None of {len(files)} image files can be read: {why}")


def _skipped(count: int, broken: list[tuple[Openable, str]]) -> list[str]:
    if not broken:
        return []
    named = ", ".join(path.name for path, _ in broken[:3])
    more = ", ..." if len(broken) > 3 else ""
    return [
        f"{len(broken)} of {count} files could not be read as images and were left out: "
        f"{named}{more}. The first: {broken[0][1]}"
    ]
