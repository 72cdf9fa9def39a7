"""What a file holds, by its first bytes: names of files promise too much."""

from __future__ import annotations

from pathlib import Path

from archloom.errors import DataError

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "zip", "a zip archive"),
    (b"PK\x05\x06", "zip", "an empty zip archive"),
    (b"\x93NUMPY", "npy", "a single array (.npy)"),
    (b"\x1f\x8b", "gzip", "a gzip archive"),
    (b"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 file"),
    (b"CDF\x01", "netcdf", "a NetCDF 3 file"),
    (b"CDF\x02", "netcdf", "a NetCDF 3 file"),
    (b"PAR1", "parquet", "a Parquet file"),
    (b"\x89PNG\r\n\x1a\n", "image", "a PNG image"),
    (b"\xff\xd8\xff", "image", "a JPEG image"),
    (b"GIF8", "image", "a GIF image"),
    (b"BM", "image", "a BMP image"),
    (b"II*\0", "image", "a TIFF image"),
    (b"MM\0*", "image", "a TIFF image"),
    (b"%PDF", "pdf", "a PDF document"),
    (b"version https://git-lfs", "git-lfs", "a git-lfs pointer"),
)

_MENDS = {
    "git-lfs": "only its place is here: run `git lfs pull`",
    "html": "the download gave an error page: get the file again",
    "empty": "get it again",
    "image": "an image alone is no data set: give the folder of images",
}


def kind_of(path: Path) -> tuple[str, str]:
    """Give what a file's first bytes say: a word for programs, and words for people.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "data.npz"
    ...     _ = path.write_bytes(b"<!DOCTYPE html><html><body>404")
    ...     kind_of(path)
    ('html', 'an HTML page')
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    if not head:
        return "empty", "an empty file"
    for magic, kind, words in _MAGIC:
        if head.startswith(magic):
            return kind, words
    if head[128:132] == b"DICM":
        return "dicom", "a DICOM file"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image", "a WebP image"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "html", "an HTML page"
    if start.startswith((b"<?xml", b"<")):
        return "xml", "an XML file"
    return ("text", "a text file") if _is_text(head) else ("unknown", "of no known format")


def mend_of(kind: str) -> str:
    """Give what to do about a file of that kind where another was expected, '' where nothing."""
    return _MENDS.get(kind, "")


def refuse_other(path: Path, wanted: str, what: str) -> None:
    """Raise `DataError` with the mend unless the file is of the wanted kind.

    `what` names in words what was expected.
    """
    kind, words = kind_of(path)
    if kind != wanted:
        mend = mend_of(kind)
        raise DataError(
            f"{path} should be {what}, it is {words}{': ' + mend if mend else ''}. It may also be "
            f"truncated or mislabelled."
        )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a letter that is cut at the end is none
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\r\n\t\ufeff" for letter in text)
