"""Image files to arrays of one size and form."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from archloom.errors import ConfigError, DataError
from archloom.sources._extras import need
from archloom.sources._value_range import ValueRange
from archloom.task import kind_of

Colour = Literal["grey", "rgb", "rgba"]
Fit = Literal["stretch", "crop", "pad"]

_CHANNELS = {"grey": 1, "rgb": 3, "rgba": 4}
_FITS = ("stretch", "crop", "pad")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height

BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError),
    *(OverflowError, MemoryError, struct.error, zlib.error, DataError),
)
"""What Pillow raises for files that are no images, or broken ones."""


@runtime_checkable
class Openable(Protocol):
    """Something that opens like a file: a `Path`, or an image inside another file."""

    @property
    def name(self) -> str:
        """A short name for messages."""
        ...

    def open(self, mode: str) -> Any:
        """Give a file object to read bytes from."""
        ...


@dataclass(frozen=True)
class Header:
    """What the first bytes of an image file say: its upright size, colours and depth."""

    width: int
    height: int
    colour: Colour
    deep: bool


@dataclass(frozen=True)
class ImageEncoder:
    """Turns image files into arrays (n, channels, height, width), the same for every file.

    `size` is (height, width). `fit` says what happens to another aspect ratio: `stretch` it,
    `crop` the middle, or `pad` with black. `colour` is `grey`, `rgb` or `rgba`; where it has no
    alpha channel, transparent images are laid on white. `deep` keeps more than 8 bits a channel,
    as float32 (files of 8 bits are scaled up to 16); otherwise values are uint8. Images are
    turned upright as their EXIF data say. Larger ones than `max_pixels` are refused.

    >>> encoder = ImageEncoder((2, 3), colour="grey")
    >>> encoder.transform([np.full((4, 6), 7, dtype=np.uint8)]).tolist()
    [[[[7, 7, 7], [7, 7, 7]]]]
    """

    size: tuple[int, int]
    fit: Fit = "stretch"
    colour: Colour = "rgb"
    deep: bool = False
    max_pixels: int = 100_000_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", parse_size(self.size))
        check_policy(self.fit, self.colour)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return (_CHANNELS[self.colour], *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the arrays."""
        return np.dtype(np.float32 if self.deep else np.uint8)

    def transform(self, raw: Any) -> Tensor:
        """Give images as one tensor: paths, Pillow images or arrays (H, W) or (H, W, C).

        Arrays hold what files of images hold, 0 to 255; others, such as 0 to 1, bring a warning.

        Raises:
            DataError: for a file that is no image, and for a truncated one.
        """
        each = [raw] if isinstance(raw, str | Path) or hasattr(raw, "getexif") else list(raw)
        self._compare(each)
        with quiet_pillow():
            rows = [self.read(one) for one in each]
        return torch.from_numpy(np.stack(rows) if rows else np.empty((0, *self.shape), self.dtype))

    def _compare(self, each: Sequence[Any]) -> None:
        """Warn of arrays of another scale than images in files."""
        arrays = [_as_array(one) for one in each if _is_array(one)]
        if arrays:
            held = ValueRange(0.0, 65_535.0 if self.deep else 255.0, 0.0, 0.0, whole=True)
            held.warn(np.stack([_ends(array) for array in arrays]))

    def read(self, raw: Any) -> np.ndarray:
        """Give one image as an array (channels, height, width).

        Raises:
            DataError: for a file that is missing, no image, truncated or damaged, and for what is
                no image at all.
        """
        if _is_array(raw):
            pillow = need("PIL.Image", "images", "Reading images")
            return self._arranged(pillow.fromarray(_as_pixels(raw)))
        try:
            return self.decode(Path(raw) if isinstance(raw, str) else raw)
        except DataError as error:
            raise DataError(f"{error} Get the file again, or leave it out.") from error

    def decode(self, file: Any) -> np.ndarray:
        """Give the image of a file, or a Pillow image, as `read` does; the error has no advice."""
        if isinstance(file, Openable):
            with open_image(file, self.max_pixels) as image:
                return self._decoded(image, str(file))
        return self._decoded(file, str(getattr(file, "filename", "") or "The image"))

    def _decoded(self, image: Any, name: str) -> np.ndarray:
        """Read the pixels, where damage shows that the first bytes did not tell."""
        try:
            return self._arranged(image)
        except BROKEN as error:
            raise DataError(f"{name} is broken: {error or type(error).__name__}.") from error

    def _arranged(self, image: Any) -> np.ndarray:
        image = _upright(image)
        planes = self._planes(image)
        resized = [np.asarray(self._resized(plane)) for plane in planes]
        array = np.stack([p if p.ndim == 2 else np.moveaxis(p, 2, 0) for p in resized])
        array = array.reshape(-1, *self.size)
        return np.ascontiguousarray(np.broadcast_to(array, self.shape).astype(self.dtype))

    def _planes(self, image: Any) -> list[Any]:
        """Give what is to be resized: one image, or grey ones of floats for deep values."""
        if _is_deep(image):
            pillow = need("PIL.Image", "images", "Reading images")
            values = np.asarray(image).astype(np.float32)
            return [pillow.fromarray(values if self.deep else _to_bytes(values))]
        mode = {"grey": "L", "rgb": "RGB", "rgba": "RGBA"}[self.colour]
        if self.colour != "rgba" and _has_alpha(image):
            image = _on_white(image)
        image = image.convert(mode)
        if not self.deep:
            return [image]
        pillow = need("PIL.Image", "images", "Reading images")
        bands = np.atleast_3d(np.asarray(image)).astype(np.float32) * 257.0  # 255 becomes 65,535
        return [
            pillow.fromarray(np.ascontiguousarray(bands[..., i])) for i in range(bands.shape[2])
        ]

    def _resized(self, image: Any) -> Any:
        height, width = self.size
        if image.size == (width, height):
            return image
        ops = need("PIL.ImageOps", "images", "Reading images")
        smooth = need("PIL.Image", "images", "Reading images").Resampling.BILINEAR
        if self.fit == "crop":
            return ops.fit(image, (width, height), method=smooth)
        if self.fit == "pad":
            return ops.pad(image, (width, height), method=smooth)
        return image.resize((width, height), smooth)

    def to_json(self) -> dict[str, Any]:
        """Give the settings, as JSON can hold them."""
        return {"encoder": "images", **asdict(self), "size": list(self.size)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImageEncoder:
        """Give the encoder that `to_json` described.

        >>> encoder = ImageEncoder((8, 9))
        >>> ImageEncoder.from_json(encoder.to_json()) == encoder
        True
        """
        settings = {key: value for key, value in data.items() if key != "encoder"}
        return cls(**{**settings, "size": tuple(settings["size"])})


def parse_size(size: Any) -> tuple[int, int]:
    """Give (height, width) of a number or a pair.

    >>> parse_size(32), parse_size([24, 32])
    ((32, 32), (24, 32))
    """
    pair = [size, size] if isinstance(size, int) else list(size) if _is_pair(size) else []
    if len(pair) != 2 or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in pair):
        raise ConfigError(f"size is a number of pixels or a pair (height, width), got {size!r}.")
    return pair[0], pair[1]


def _is_pair(size: Any) -> bool:
    return isinstance(size, Sequence) and not isinstance(size, str)


def check_policy(fit: str, colour: str) -> None:
    """Raise `ConfigError` unless both are known."""
    if fit not in _FITS:
        raise ConfigError(f"fit is one of {', '.join(_FITS)}, got {fit!r}.")
    if colour not in _CHANNELS:
        raise ConfigError(f"colour is one of {', '.join(_CHANNELS)} or auto, got {colour!r}.")


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings about large or sloppy files back: our own limits decide.

    Warnings are a setting of the process: enter this before threads start.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.filterwarnings("ignore", category=_bomb_warning())
        yield


def _bomb_warning() -> type[Warning]:
    pillow = need("PIL.Image", "images", "Reading images")
    return cast("type[Warning]", pillow.DecompressionBombWarning)


def open_image(path: Openable, max_pixels: int) -> Any:
    """Open an image file, its pixels unread.

    Raises:
        DataError: when it is no image, is broken, or has more than `max_pixels`.
    """
    pillow = need("PIL.Image", "images", "Reading images")
    try:
        image = pillow.open(path if isinstance(path, Path) else path.open("rb"))
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except pillow.DecompressionBombError as error:
        raise DataError(f"{path} is larger than Pillow opens ({error}).") from error
    except BROKEN as error:
        kind, words = kind_of(path) if isinstance(path, Path) else ("unknown", "")
        what = f"it is {words}" if kind not in ("image", "unknown") else str(error)
        raise DataError(f"{path} cannot be read as an image: {what}.") from error
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise DataError(
            f"An image may have {max_pixels:,} pixels, {path} has {width}x{height} = "
            f"{width * height:,}: it may be a decompression bomb. If not, raise max_pixels=."
        )
    return image


def read_header(path: Openable, max_pixels: int) -> Header:
    """Give size, colours and depth of an image file. Raises as `open_image` does."""
    with open_image(path, max_pixels) as image:
        try:
            turned = image.getexif().get(0x0112, 1) in _TURNED
        except BROKEN:  # broken EXIF data turn nothing
            turned = False
        size = image.size
        if turned and image.format == "TIFF":  # of which newer Pillows turn the size themselves
            size = _upright(image).size
        elif turned:
            size = size[::-1]
        width, height = size
        colour: Colour = "rgb"
        if _has_alpha(image):
            colour = "rgba"
        elif image.mode in ("1", "L", "F", "I") or image.mode.startswith("I;"):
            colour = "grey"
        return Header(width, height, colour, _is_deep(image))


def image_size(path: Openable, max_pixels: int = 100_000_000) -> tuple[int, int]:
    """Give the (height, width) of an image file once it is upright. Raises as `open_image` does.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "grey.png"
    ...     Image.new("L", (6, 4)).save(path)
    ...     image_size(path)
    (4, 6)
    """
    header = read_header(path, max_pixels)
    return header.height, header.width


def _upright(image: Any) -> Any:
    """Give the image turned as its EXIF data say.

    Pillow maps the file of an uncompressed TIFF with the size that it has once it is turned, and
    so garbles one that lies on its side; without a name to map, it reads the file instead.
    """
    if image.format == "TIFF" and getattr(image, "filename", ""):
        name, image.filename = image.filename, ""
        try:
            image.load()
        finally:
            image.filename = name
    return need("PIL.ImageOps", "images", "Reading images").exif_transpose(image)


def _is_deep(image: Any) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def _has_alpha(image: Any) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _on_white(image: Any) -> Any:
    pillow = need("PIL.Image", "images", "Reading images")
    front = image.convert("RGBA")
    return pillow.alpha_composite(pillow.new("RGBA", front.size, "white"), front)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Give 16-bit values as 8-bit ones; smaller ranges are taken as they are."""
    scaled = values / 257.0 if values.max(initial=0.0) > 255 else values
    return scaled.clip(0, 255).astype(np.uint8)


def _is_array(raw: Any) -> bool:
    return not isinstance(raw, str | Openable) and not hasattr(raw, "getexif")


def _as_array(raw: Any) -> np.ndarray:
    return raw.detach().cpu().numpy() if isinstance(raw, Tensor) else np.asarray(raw)


def _ends(array: np.ndarray) -> np.ndarray:
    """Give the least and the greatest value, and a fraction where there is one."""
    if array.dtype.kind not in "uif" or not array.size:
        return np.zeros(3)  # what is no image is refused elsewhere
    fractions = array[array != np.round(array)] if array.dtype.kind == "f" else array[:0]
    low, high = array.min(), array.max()
    return np.array([low, high, fractions[0] if fractions.size else high], dtype=np.float64)


def _as_pixels(raw: Any) -> np.ndarray:
    array = _as_array(raw)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or array.dtype.kind not in "uif":
        raise DataError(
            f"An image is an array (height, width) or (height, width, channels) of numbers, got "
            f"shape {array.shape} and dtype {array.dtype}."
        )
    if array.dtype == np.uint8 or array.ndim == 3:
        return array.astype(np.uint8)
    return array.astype(np.float32)
