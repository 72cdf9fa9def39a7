"""Data from files: npz in the layout of MedMNIST, IDX, the named sets, and broken files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import ConfigError, DataError
from archloom.task import from_idx, from_npz, load, mnist, read_idx, rebuild

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (60, 28, 28), dtype=np.uint8)
LABELS = (np.arange(60, dtype=np.uint8) % 3).reshape(-1, 1)


def npz(path: Path, **changes: Any) -> Path:
    arrays = {
        "train_images": IMAGES,
        "train_labels": LABELS,
        "val_images": IMAGES[:12],
        "val_labels": LABELS[:12],
        "test_images": IMAGES[:9],
        "test_labels": LABELS[:9],
        **changes,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def idx_bytes(array: np.ndarray, code: int = 8) -> bytes:
    head = struct.pack(">BBBB", 0, 0, code, array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_folder(folder: Path, packed: bool) -> Path:
    parts = {
        "train-images-idx3-ubyte": IMAGES,
        "train-labels-idx1-ubyte": LABELS[:, 0],
        "t10k-images-idx3-ubyte": IMAGES[:9],
        "t10k-labels-idx1-ubyte": LABELS[:9, 0],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in parts.items():
        data = idx_bytes(array)
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


def test_npz(tmp_path: Path) -> None:
    task = from_npz(npz(tmp_path / "three.npz"))
    assert repr(task) == "Task('three', 60/12/9, shape=(1, 28, 28), classes=3)"
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint


def test_npz_without_validation_is_split(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "two.npz",
        val_images=None,
        val_labels=None,
        class_name=np.array(["a", "b", "c"]),
    )
    task = load(path, valid=0.2, seed=4)
    assert (len(task.train), len(task.valid), task.test_size) == (48, 12, 9)
    assert task.class_names == ("a", "b", "c")
    assert task.describe()["class_counts"]["valid"] == [4, 4, 4]
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": None}, "lacks train_images.*It holds: test_images, test_labels, train"),
        ({"val_labels": None}, "lacks val_labels"),
        ({"train_images": IMAGES[:50]}, "50 samples and 60 labels"),
        ({"val_images": IMAGES[:12, :20]}, r"\(1, 20, 28\)"),
        ({"train_labels": np.array([["a"]] * 60)}, "one kind"),
        ({"train_labels": np.empty((60, 1), dtype=object)}, "cannot be read"),
    ],
)
def test_npz_of_another_layout(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_npz(npz(tmp_path / "bad.npz", **changes))


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((60, 9, 8), {}, ("image", (1, 9, 8))),
        ((60, 9, 8, 3), {}, ("image", (3, 9, 8))),
        ((60, 5, 6, 7, 1), {}, ("volume", (1, 5, 6, 7))),
        ((60, 4), {}, ("table", (4,))),
        ((60, 4), {"kind": "series"}, ("series", (1, 4))),
        ((60, 2, 9), {"kind": "series"}, ("series", (2, 9))),
        ((60, 4), {"kind": "text", "normalise": False}, ("text", (4,))),
    ],
)
def test_npz_of_x_and_y_by_their_axes(
    tmp_path: Path, shape: tuple[int, ...], options: Any, expected: Any
) -> None:
    X = np.random.default_rng(0).integers(0, 200, shape)
    np.savez(tmp_path / "a.npz", X=X, y=np.array(["up", "down"] * 30))
    task = load(tmp_path / "a.npz", valid=0.2, **options)
    assert (task.kind, task.shape) == expected
    assert task.class_names == ("down", "up")
    assert (len(task.train), len(task.valid), task.has_test) == (48, 12, False)
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint


@pytest.mark.parametrize("kind", ["image", "table", "series"])
@pytest.mark.parametrize(
    ("x", "y"), [("X", "y"), ("x", "y"), ("series", "labels"), ("data", "target")]
)
def test_npz_with_splits_and_groups_beside(tmp_path: Path, kind: str, x: str, y: str) -> None:
    X = np.arange(40 * 6, dtype=np.float64).reshape(40, 6) % 37
    X = X.reshape(40, 2, 3) if kind == "image" else X
    labels, groups = np.arange(40) % 2, np.arange(40) // 4
    arrays = {x: X, y: labels, f"{x}_test": X[:7], f"{y}_test": labels[:7], "groups": groups}
    np.savez(tmp_path / "a.npz", **arrays)
    task = load(tmp_path / "a.npz", kind=kind, valid=0.3)
    assert (len(task.train), len(task.valid), task.test_size) == (28, 12, 7)
    assert task.groups is not None
    assert not set(task.groups[:28].tolist()) & set(task.groups[28:].tolist())
    np.savez(tmp_path / "b.npz", **arrays, **{f"{x}_val": X[:9], f"{y}_val": labels[:9]})
    task = load(tmp_path / "b.npz", kind=kind, groups=None)
    assert (len(task.train), len(task.valid), task.test_size) == (40, 9, 7)


def test_npz_of_numbers_and_of_missing_values(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[2, 1] = np.nan
    np.savez(tmp_path / "a.npz", x_train=X, y_train=np.arange(40), x_test=X, y_test=np.arange(40))
    task = load(tmp_path / "a.npz", target="numbers")
    assert (task.target.kind, task.test_size) == ("numbers", 40)
    assert task.notices[0].startswith("1 missing value of column 'x1'")
    with pytest.raises(DataError, match="Inputs must be finite"):
        load(tmp_path / "a.npz", kind="image", layout="NF")


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ({"X": IMAGES}, {}, DataError, "holds X and y, .*lacks train_images.*It holds: X"),
        ({"X": IMAGES, "y": LABELS[:9]}, {}, DataError, "60 samples and 9 labels"),
        ({"X": IMAGES, "y": LABELS, "X_test": IMAGES}, {}, DataError, "lacks test_labels"),
        ({"X": np.array([None] * 60), "y": LABELS}, {}, DataError, "Python objects"),
        ({"X": IMAGES[:, 0], "y": LABELS}, {"drop": "a"}, ConfigError, "no option 'drop'"),
    ],
)
def test_npz_of_x_and_y_that_do_not_fit(
    tmp_path: Path, arrays: Any, options: Any, error: type[Exception], message: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(error, match=message):
        load(tmp_path / "a.npz", **options)


def test_a_table_of_arrays_has_no_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=IMAGES[:, 0], y=LABELS[:, 0])
    for named in ({"target": "y"}, {"groups": "patient"}, {"drop": ["x0"]}):
        with pytest.raises(ConfigError, match=r"names columns, and .*holds arrays without names"):
            load("table", path=tmp_path / "a.npz", **named)
    task = load("table", path=tmp_path / "a.npz", numbers="quantile")
    assert task.encoder.numbers == "quantile"


@pytest.mark.parametrize("keep", [0, 10, 2000, -60])
def test_truncated_npz(tmp_path: Path, keep: int) -> None:
    path = npz(tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="truncated"):
        from_npz(path)


def test_damaged_npz(tmp_path: Path) -> None:
    path = npz(tmp_path / "damaged.npz")
    data = bytearray(path.read_bytes())
    data[5000] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        from_npz(path)


def test_a_lone_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", IMAGES)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(DataError, match="single array"):
        from_npz(tmp_path / "one.npz")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_folder(tmp_path: Path, packed: bool) -> None:
    task = load(idx_folder(tmp_path / "set", packed), valid=0.2)
    assert repr(task) == "Task('set', 48/12/9, shape=(1, 28, 28), classes=3)"
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint


def test_idx_files_by_name(tmp_path: Path) -> None:
    folder = idx_folder(tmp_path, packed=False)
    files = {
        "train_images": folder / "train-images-idx3-ubyte",
        "train_labels": folder / "train-labels-idx1-ubyte",
    }
    task = from_idx(files, test=0.1)
    assert (len(task.train), len(task.valid), task.test_size) == (48, 6, 6)
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint
    with pytest.raises(DataError, match="test_labels"):
        from_idx({**files, "test_labl": folder})


@pytest.mark.parametrize(
    ("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_idx_types(tmp_path: Path, code: int, dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    path = tmp_path / "array"
    path.write_bytes(idx_bytes(array, code))
    np.testing.assert_array_equal(read_idx(path), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "starts with nothing"),
        (b"\x89PNG....", "Is it another format"),
        (idx_bytes(IMAGES)[:-1], "truncated"),
        (idx_bytes(IMAGES)[:9], "truncated"),
        (idx_bytes(IMAGES) + b"x", "too long"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-20], "truncated or damaged"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:5], "truncated or damaged"),
    ],
    # Named, since xdist compares names: a gzip header holds the clock.
    ids=["empty", "png", "short by one", "no header", "one too many", "cut gzip", "gzip header"],
)
def test_broken_idx(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_idx(path)


def test_idx_folder_without_labels(tmp_path: Path) -> None:
    folder = idx_folder(tmp_path, packed=False)
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"train-labels\*.*t10k-images"):
        load(folder)


def test_missing_files_say_what_is_there(tmp_path: Path) -> None:
    npz(tmp_path / "there.npz")
    with pytest.raises(DataError, match=r"holds: there\.npz"):
        load(tmp_path / "here.npz")
    with pytest.raises(DataError, match="no file or folder"):
        load(str(tmp_path / "nowhere" / "set"))
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.7 ...")
    with pytest.raises(DataError, match=r"a PDF document: read it to arrays.*from_arrays"):
        load(tmp_path / "notes.pdf")


def test_names_and_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        load("digit")
    with pytest.raises(ConfigError, match="did you mean 'valid'"):
        load("digits", vallid=0.1)
    with pytest.raises(ConfigError, match="needs path"):
        load("npz")
    with pytest.raises(ConfigError, match="needs a name"):
        rebuild({"seed": 0})


def test_a_named_set_is_found_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHLOOM_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz"):
        mnist()
    idx_folder(tmp_path / "mnist", packed=True)
    assert repr(load("mnist")) == "Task('mnist', 54/6/9, shape=(1, 28, 28), classes=3)"


def test_fashion_mnist_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="apt install dataset-fashion-mnist"):
        load("fashion-mnist", folder=tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "sizes", "shape"),
    [
        ("breastmnist", (546, 78, 156), (1, 28, 28)),
        ("pneumoniamnist", (4708, 524, 624), (1, 28, 28)),
        ("cifar10_subset", (7200, 800, 2000), (3, 32, 32)),
    ],
)
def test_real_files(
    shared: Path, name: str, sizes: tuple[int, int, int], shape: tuple[int, ...]
) -> None:
    task = load(shared / f"{name}.npz")
    assert (len(task.train), len(task.valid), task.test_size) == sizes
    assert task.shape == shape


def test_the_published_channel_means_of_cifar10(shared: Path) -> None:
    mean, std = load(shared / "cifar10_subset.npz").normalisation
    np.testing.assert_allclose(mean / 255, [0.4914, 0.4822, 0.4465], atol=0.01)
    np.testing.assert_allclose(std / 255, [0.247, 0.243, 0.262], atol=0.01)
