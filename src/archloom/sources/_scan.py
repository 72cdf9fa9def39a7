"""The slices of one CT study to a volume of fixed size, in windows of Hounsfield units."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import ConfigError, DataError, did_you_mean
from archloom.sources._decode import parse_size
from archloom.sources._extras import need
from archloom.task import kind_of

WINDOWS: Mapping[str, tuple[float, float]] = {
    "brain": (40.0, 80.0),
    "subdural": (80.0, 200.0),
    "stroke": (35.0, 40.0),
    "bone": (600.0, 2800.0),
    "soft tissue": (50.0, 350.0),
    "lung": (-600.0, 1500.0),
}
"""Usual windows of CT by name: centre and width in Hounsfield units."""

_AIR, _METAL = -1024.0, 3071.0  # what 12 bits of a scanner hold
_OTHER = frozenset(
    {".txt", ".csv", ".tsv", ".json", ".xml", ".html", ".md", ".pdf", ".png", ".jpg", ".zip"}
)
BROKEN = (
    *(OSError, ValueError, EOFError, AttributeError, KeyError, TypeError, IndexError),
    *(NotImplementedError, RuntimeError, OverflowError, MemoryError, struct.error, zlib.error),
)
"""What pydicom raises for files that are truncated, damaged or of a kind it cannot decode."""


@dataclass(frozen=True)
class Slice:
    """One slice: its place along the scan, its Hounsfield units, and the series it is of."""

    place: tuple[float, ...] | None
    number: float | None
    file: Path
    series: str
    values: np.ndarray


@dataclass(frozen=True)
class Study:
    """The slices of one scan in order, and the files that could not be read with the reason."""

    slices: tuple[Slice, ...]
    broken: tuple[tuple[Path, str], ...]
    series: int


@dataclass(frozen=True)
class ScanEncoder:
    """Turns CT studies into volumes (n, windows, slices, height, width), or slices without depth.

    Stored values become Hounsfield units by the files' slope and intercept. Each of the `windows`,
    names of `WINDOWS` or pairs (centre, width), becomes a channel of 0 to 255; without any, the
    one channel holds the Hounsfield units as float32. Slices are put in order by their position
    along the scan. Of a study's series the longest is taken, or the one whose description holds
    the text `series`; scout images are left out. `slices` is the number of slices that a volume
    is resampled to, by their positions.

    >>> ScanEncoder(windows=["brain", (50, 100)], size=64, slices=16).shape
    (2, 16, 64, 64)
    """

    windows: tuple[Any, ...] | None = ("brain", "subdural", "bone")
    size: tuple[int, int] = (128, 128)
    slices: int | None = 32
    series: str | None = None
    volumes: bool = True
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", parse_size(self.size))
        windows = tuple(map(_window_name, self.windows or ())) or None
        object.__setattr__(self, "windows", windows)
        object.__setattr__(self, "slices", self.slices or None)
        if self.slices is not None and self.slices < 1:
            raise ConfigError(f"slices is 1 or more, got {self.slices}.")
        if self.volumes and self.slices is None:
            raise ConfigError("A volume needs a number of slices, got slices=None.")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        channels = 1 if self.windows is None else len(self.windows)
        depth = (self.slices or 1,) if self.volumes else ()
        return (channels, *depth, *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the samples."""
        return np.dtype(np.float32 if self.windows is None else np.uint8)

    def transform(self, raw: Any) -> Tensor:
        """Give the volumes of study folders, or all their slices; corrupt slices are left out.

        Raises:
            DataError: for a study without a readable slice.
        """
        each = [raw] if isinstance(raw, str | Path) else list(raw)
        rows: list[np.ndarray] = []
        with quiet_pydicom():
            for folder in map(Path, each):
                files = dicom_files(folder) if folder.is_dir() else [folder]
                study = self.read(files)
                if not study.slices:
                    why = study.broken[0][1] if study.broken else "it holds no DICOM file"
                    raise DataError(f"No slice of {folder} can be read: {why}")
                rows += [self.volume(study)] if self.volumes else list(self.each(study))
        return torch.from_numpy(np.stack(rows) if rows else np.empty((0, *self.shape), self.dtype))

    def read(self, files: Sequence[Path]) -> Study:
        """Read the slices of one study, those that can be read, in order."""
        found: dict[str, list[Slice]] = defaultdict(list)
        broken: list[tuple[Path, str]] = []
        for file in files:
            try:
                for one in _read_slices(file, self.max_pixels, self.series):
                    found[one.series].append(one)
            except BROKEN as error:
                broken.append((file, " ".join(str(error).split())[:200] or type(error).__name__))
        if not found:
            return Study((), tuple(broken), 0)
        longest = max(sorted(found), key=lambda name: len(found[name]))
        return Study(tuple(_in_order(found[longest])), tuple(broken), len(found))

    def volume(self, study: Study) -> np.ndarray:
        """Give one study as (windows, slices, height, width)."""
        planes = np.stack([self._resized(one.values) for one in study.slices])
        places = np.array([_along(one, i) for i, one in enumerate(study.slices)])
        if (np.diff(places) <= 0).any():
            places = np.arange(len(planes), dtype=np.float64)
        wanted = np.linspace(places[0], places[-1], self.slices or 1)
        if self.slices == 1:
            wanted = np.array([(places[0] + places[-1]) / 2])
        upper = np.searchsorted(places, wanted).clip(0, len(places) - 1)
        lower = (upper - 1).clip(0)
        gap = places[upper] - places[lower]
        share = np.where(gap > 0, (wanted - places[lower]) / np.where(gap > 0, gap, 1.0), 1.0)
        share = share.astype(np.float32)[:, None, None]
        return self._windowed(planes[lower] * (1 - share) + planes[upper] * share)

    def each(self, study: Study) -> Iterator[np.ndarray]:
        """Give the slices of one study, (windows, height, width) each; `slices` of them evenly."""
        count = len(study.slices)
        for index in chosen_slices(count, self.slices):
            yield self._windowed(self._resized(study.slices[index].values)[None])[:, 0]

    def _resized(self, values: np.ndarray) -> np.ndarray:
        if values.shape == self.size:
            return values
        plane = torch.from_numpy(np.ascontiguousarray(values))[None, None]
        resized = functional.interpolate(plane, self.size, mode="bilinear", antialias=True)
        return np.asarray(resized[0, 0])

    def _windowed(self, units: np.ndarray) -> np.ndarray:
        if self.windows is None:
            return units.clip(_AIR, _METAL)[None]
        channels = []
        for window in self.windows:
            centre, width = WINDOWS[window] if isinstance(window, str) else window
            shades = (units - (centre - width / 2)) * (255.0 / width)
            channels.append(shades.clip(0, 255).round().astype(np.uint8))
        return np.stack(channels)

    def to_json(self) -> dict[str, Any]:
        """Give the settings, as JSON can hold them."""
        windows = None if self.windows is None else [_plain(one) for one in self.windows]
        return {"encoder": "scan", **asdict(self), "windows": windows, "size": list(self.size)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ScanEncoder:
        """Give the encoder that `to_json` described.

        >>> encoder = ScanEncoder(windows=["bone", (50, 100)])
        >>> ScanEncoder.from_json(encoder.to_json()) == encoder
        True
        """
        settings = {key: value for key, value in data.items() if key != "encoder"}
        return cls(**settings)


def dicom_files(folder: Path) -> list[Path]:
    """Give the files below a folder that may be DICOM files: many have no suffix."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and file.suffix.lower() not in _OTHER
        and file.name.upper() != "DICOMDIR"
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def chosen_slices(count: int, wanted: int | None) -> list[int]:
    """Give the numbers of `wanted` slices spread evenly over `count`, all where there are fewer.

    >>> chosen_slices(10, 3), chosen_slices(2, 5)
    ([0, 4, 9], [0, 1])
    """
    if wanted is None or wanted >= count:
        return list(range(count))
    if wanted == 1:
        return [count // 2]
    return [round(float(at)) for at in np.linspace(0, count - 1, wanted)]


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep warnings about sloppy files back; what cannot be read is counted all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(file: Path) -> Any:
    """Read a DICOM file without its pixels. Raises one of `BROKEN` where that fails."""
    return _opened(file, stop_before_pixels=True)


def _opened(file: Path, **options: Any) -> Any:
    pydicom = need("pydicom", "dicom", "Reading DICOM files")
    try:
        return pydicom.dcmread(file, **options)
    except pydicom.errors.InvalidDicomError as error:
        raise ValueError(f"it is no DICOM file but {kind_of(file)[1]}") from error


def patient_of(files: Sequence[Path]) -> str:
    """Give the patient's ID in the first readable file, '' where there is none."""
    for file in files:
        try:
            return str(read_header(file).get("PatientID", "") or "")
        except BROKEN:
            continue
    return ""


def _read_slices(file: Path, max_pixels: int, series: str | None) -> Iterator[Slice]:
    """Give the slices of one file: one, none for a scout image, or the frames of many."""
    data = _opened(file)
    if "LOCALIZER" in [str(kind).upper() for kind in data.get("ImageType", [])]:
        return
    if series is not None and series.lower() not in str(data.get("SeriesDescription", "")).lower():
        return
    frames = int(data.get("NumberOfFrames", 1) or 1)
    pixels = int(data.Rows) * int(data.Columns) * frames
    if pixels > max_pixels:
        raise ValueError(f"{pixels:,} pixels are more than max_pixels={max_pixels:,}")
    if int(data.get("SamplesPerPixel", 1)) != 1:
        raise ValueError("an image in colours is no slice of a scan")
    values = np.asarray(data.pixel_array, dtype=np.float32)
    slope, intercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
    values = values * np.float32(slope or 1) + np.float32(intercept or 0)
    if not np.isfinite(values).all():
        raise ValueError("values that are not finite")
    place = _place(data)
    number = data.get("InstanceNumber")
    name = str(data.get("SeriesInstanceUID", ""))
    for index, plane in enumerate(values.reshape(-1, *values.shape[-2:])):
        at = None if place is None or frames > 1 else place
        order = float(index) if frames > 1 else None if number is None else float(number)
        yield Slice(at, order, file, name, plane)


def _place(data: Any) -> tuple[float, ...] | None:
    """Give where along its normal the slice lies, and its number for slices at one place."""
    position = data.get("ImagePositionPatient")
    if position is None or len(position) != 3:
        return None
    axes = data.get("ImageOrientationPatient")
    normal = np.array([0.0, 0.0, 1.0])
    if axes is not None and len(axes) == 6:
        found = np.cross(np.array(axes[:3], dtype=float), np.array(axes[3:], dtype=float))
        normal = found if np.linalg.norm(found) > 0.5 else normal
    along = float(np.dot(np.array(position, dtype=float), normal))
    return (round(along, 4), float(data.get("InstanceNumber") or 0))


def _in_order(slices: list[Slice]) -> list[Slice]:
    if all(one.place is not None for one in slices):
        ordered = sorted(slices, key=lambda one: one.place or ())
        places = [one.place[0] if one.place else 0.0 for one in ordered]
        return [one for i, one in enumerate(ordered) if not i or places[i] > places[i - 1]]
    if all(one.number is not None for one in slices):
        return sorted(slices, key=lambda one: one.number or 0.0)
    return sorted(slices, key=lambda one: one.file.name)


def _along(one: Slice, index: int) -> float:
    return one.place[0] if one.place is not None else float(index)


def _window_name(window: Any) -> Any:
    if isinstance(window, str):
        if window not in WINDOWS:
            raise ConfigError(f"There is no window {window!r}: {did_you_mean(window, WINDOWS)}.")
        return window
    try:
        centre, width = map(float, window)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"A window is a name or a pair (centre, width), got {window!r}."
        ) from error
    if width <= 0:
        raise ConfigError(f"The width of a window is above 0, got {window!r}.")
    return (centre, width)


def _plain(window: Any) -> Any:
    return window if isinstance(window, str) else list(window)
