"""Which source reads a path: by what is there, and what is said of files of another kind."""

from __future__ import annotations

import gzip
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import ConfigError, DataError
from archloom.task import from_npz, kind_of, load
from archloom.task._recognise import source_of_path

NOTHING = b"\x01\x02\x03\x04 no magic number \xff\xfe"


def write(path: Path, data: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def npz(path: Path) -> Path:
    images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20).reshape(-1, 1) % 2
    np.savez(path, train_images=images, train_labels=labels)
    return path


@pytest.mark.parametrize(
    ("name", "data", "source"),
    [
        ("cells.npz", b"PK\x03\x04", "npz"),
        ("breastmnist_224.npz", b"PK\x03\x04", "medmnist"),
        ("OrganMNIST3D.npz", b"PK\x03\x04", "medmnist"),
        ("no_suffix", b"PK\x03\x04", "npz"),
        ("x.npy", b"\x93NUMPY", "npy"),
        ("table.csv", b"a,b\n1,2\n", "table"),
        ("table.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0), "table"),
        ("list.csv", b"file,label\nimg/1.PNG,3\n", "images"),
        ("table.parquet", b"PAR1", "table"),
        ("field.nc", b"CDF\x01", "netcdf"),
        ("field.h5", b"\x89HDF\r\n\x1a\n", "netcdf"),
        ("field", b"\x89HDF\r\n\x1a\n", "netcdf"),
        ("cifar-10-python.tar.gz", b"\x1f\x8b", "cifar"),
        ("data_batch_3.bin", NOTHING, "cifar"),
        ("train.bin", NOTHING, "cifar"),
    ],
)
def test_files(tmp_path: Path, name: str, data: bytes, source: str) -> None:
    assert source_of_path(write(tmp_path / name, data)) == (source, "path")


def test_light_curves(tmp_path: Path) -> None:
    write(tmp_path / "set.csv", b'"object_id","mjd","passband","flux","flux_err"\n1,2,3,4,5\n')
    np.savez(tmp_path / "set.npz", mjd=[1.0], flux=[1.0], flux_err=[1.0])
    for name in ("set.csv", "set.npz"):
        assert source_of_path(tmp_path / name) == ("light-curves", "source")


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"train-images-idx3-ubyte.gz": b""}, "idx"),
        ({"data_batch_1": b"", "batches.meta": b""}, "cifar"),
        ({"train.bin": b"", "test.bin": b""}, "cifar"),
        ({"train": b"", "test": b"", "meta": b""}, "cifar"),
        ({"cifar-10-batches-py/data_batch_1": b""}, "cifar"),
        ({"cat/1.png": b"\x89PNG\r\n\x1a\n", "dog/1.png": b"\x89PNG\r\n\x1a\n"}, "images"),
        ({"cat/1": b"\xff\xd8\xff", "dog/broken.jpg": NOTHING}, "images"),
        ({"train/a/x.bmp": b"BM", "test/a/x.bmp": b"BM"}, "images"),
        ({"s1/IM01": b"\0" * 128 + b"DICM", "s1/readme.txt": b"hi"}, "dicom"),
        ({"s1/1.dcm": b"", "s2/2.dcm": b"\0" * 128 + b"DICM"}, "dicom"),
        ({"X.npy": b"\x93NUMPY", "y.npy": b"\x93NUMPY"}, "npy"),
        ({"dataset_dict.json": b"{}", "train/state.json": b"{}"}, "hub"),
    ],
)
def test_folders(tmp_path: Path, files: dict[str, bytes], source: str) -> None:
    for name, data in files.items():
        write(tmp_path / name, data)
    assert source_of_path(tmp_path)[0] == source


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + NOTHING, "it is a PNG image: an image alone is no data set"),
        (b"<!DOCTYPE html>\n<html>404</html>", "it is an HTML page: the download gave an error"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer.*git lfs pull"),
        (b"\x1f\x8b" + NOTHING, "it is a gzip archive"),
        (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
        (b"x,y\n1,2\n", "it is a text file"),
        (b"", "it is an empty file: get it again"),
        (NOTHING, "of no known format"),
    ],
)
def test_files_named_npz_that_are_none(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "data.npz", data))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("report.pdf", b"%PDF-1.7", "is a PDF document"),
        ("photo.jpg", b"\xff\xd8\xff\xe0", "a JPEG image: an image alone"),
        ("page.csv", b"<html></html>", "an HTML page: the download"),
        ("IM0001", b"\0" * 128 + b"DICM", "give the folder of the studies"),
        ("data.bin", NOTHING, "of no known format: read it to arrays"),
    ],
)
def test_files_that_no_source_reads(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / name, data))


def test_folders_that_no_source_reads(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", b"hello")
    with pytest.raises(DataError, match=r"holds notes\.txt"):
        load(tmp_path)


def test_a_path_that_is_called_like_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="needs path"):
        load("npz")
    npz(tmp_path / "npz.npz").rename(tmp_path / "npz")
    assert load("npz").name == "npz"
    assert load("npz", path="npz").name == "npz"


def test_text_with_letters_cut_at_the_end_is_text(tmp_path: Path) -> None:
    assert kind_of(write(tmp_path / "a", ("é" * 600).encode()[:-1]))[0] == "text"
    assert kind_of(write(tmp_path / "b", b"x" + ("é" * 600).encode()))[0] == "text"
    assert kind_of(write(tmp_path / "c", b"\x00" * 600))[0] == "unknown"


# -- npz files of plain arrays, and other ones ---------------------------------------------------


def repacked(path: Path, key: str, data: bytes, packing: int = zipfile.ZIP_STORED) -> Path:
    """Put other bytes in the place of one member."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[f"{key}.npy"] = data
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(128 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def test_a_member_that_is_shorter_than_it_says(tmp_path: Path) -> None:
    path = repacked(npz(tmp_path / "a.npz"), "train_images", header((10**12, 8, 8)) + b"\0" * 64)
    with pytest.raises(DataError, match="train_images is not as long as its shape"):
        load(path)


def test_a_decompression_bomb(tmp_path: Path) -> None:
    images = header((20, 1000, 1000)) + b"\0" * 20_000_000
    path = repacked(npz(tmp_path / "a.npz"), "train_images", images, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match=r"unpacks to 20,000,\d+, .*decompression bomb.*memory="):
        from_npz(path, memory="1 MB", cache=tmp_path)
    assert from_npz(path, memory="100 MB").shape == (1, 1000, 1000)


def test_members_of_objects(tmp_path: Path) -> None:
    data = header((20,), "|O") + pickle.dumps([None] * 20)
    path = repacked(npz(tmp_path / "a.npz"), "train_labels", data)
    with pytest.raises(DataError, match="Python objects, which only pickle could read"):
        load(path)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    path = repacked(npz(tmp_path / "a.npz"), "train_images", b"<html>")
    with pytest.raises(DataError, match="cannot be read as an npz file"):
        load(path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((20,), np.uint8), "Inputs have 2 axes"),
        (np.zeros((2, 2, 2, 2, 2, 2, 2), np.uint8), "Inputs have 2 axes|to 5"),
        (np.array([["a"] * 3] * 20), "Inputs must be numbers"),
        (np.full((20, 8, 8), np.nan), "Inputs must be finite"),
        (np.zeros((20, 8, 8), complex), "real numbers"),
    ],
)
def test_wrong_ranks_and_dtypes(tmp_path: Path, images: Any, message: str) -> None:
    labels = np.arange(len(images)) % 2
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=labels)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.npz")
