"""CIFAR in its two published forms, byte for byte, and pickles that try more."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import ConfigError, DataError
from archloom.sources import from_cifar
from archloom.task import load, rebuild

RNG = np.random.default_rng(0)
NAMES = [f"thing {number}".replace(" ", "_") for number in range(10)]


def records(count: int, columns: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Give a binary file (1 or 2 label bytes and 3072 pixel bytes a record) and what it holds."""
    images = RNG.integers(0, 255, (count, 3, 32, 32), dtype=np.uint8)
    labels = np.stack([(np.arange(count) + c) % 10 for c in range(columns)], 1).astype(np.uint8)
    rows = np.concatenate([labels, images.reshape(count, -1)], axis=1)
    assert rows.shape[1] == columns + 3072
    return rows.tobytes(), images, labels


def binary10(folder: Path) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for name in ("data_batch_1", "data_batch_2", "data_batch_10", "test_batch"):
        data, pixels, _ = records(20, 1)
        (folder / f"{name}.bin").write_bytes(data)
        images.append(pixels)
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    (folder / "readme.html").write_text("<html></html>")
    return images


def test_the_binary_version_of_cifar10(tmp_path: Path) -> None:
    images = binary10(tmp_path / "cifar-10-batches-bin")
    task = load(tmp_path / "cifar-10-batches-bin", valid=0.25)
    assert repr(task) == "Task('cifar-10-batches-bin', 45/15/20, shape=(3, 32, 32), classes=10)"
    assert task.class_names == tuple(NAMES)
    assert task.augment_ops == ("shift", "flip")
    np.testing.assert_array_equal(task.open_test(lambda: None).inputs.numpy(), images[-1])
    pooled = task.pooled()
    assert {bytes(one.numpy()) for one in pooled.inputs} == {
        one.tobytes() for batch in images[:-1] for one in batch
    }
    assert rebuild(task.source or {}).fingerprint == task.fingerprint


def test_batches_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    images = binary10(tmp_path)
    task = from_cifar(tmp_path, valid=0.05)
    first = task.train.inputs[:15].numpy()  # all but a few of batch 1 train
    assert sum(any((one == other).all() for other in images[0]) for one in first) == 15


def test_cifar100(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.bin").write_bytes(records(40, 2)[0])
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"fine{i}" for i in range(10)))
    (tmp_path / "coarse_label_names.txt").write_text("\n".join(f"coarse{i}" for i in range(10)))
    fine, coarse = load(tmp_path), load(tmp_path, labels="coarse")
    assert fine.class_names[3] == "fine3"
    assert coarse.class_names[3] == "coarse3"
    tested = [task.open_test(lambda: None).targets for task in (fine, coarse)]
    assert ((tested[0] - tested[1]) % 10 == 1).all()  # the second label byte is the fine one


@pytest.mark.parametrize("protocol", [2, 5])
def test_the_version_for_python(tmp_path: Path, protocol: int) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images = RNG.integers(0, 255, (20, 3072), dtype=np.uint8)
    for name in ("data_batch_1", "test_batch"):
        batch = {b"data": images, b"labels": [i % 10 for i in range(20)], b"batch_label": b"x"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    meta = {b"label_names": [name.encode() for name in NAMES], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=protocol))
    packed = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    for path in (folder, packed, tmp_path):
        task = load("cifar", path=path) if path is tmp_path else load(path)
        assert task.class_names == tuple(NAMES)
        test = task.open_test(lambda: None)
        np.testing.assert_array_equal(test.inputs.numpy().reshape(20, -1), images)
    assert load(packed).name == "cifar-10"


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": Evil(), "labels": [0]}, "could run code"),
        ({"data": np.array([None, 1], dtype=object), "labels": [0]}, "cannot be read as a pickle"),
        (["no dict"], "is a dict with data and labels"),
        ({"data": np.zeros((2, 10), np.uint8), "labels": [0, 1]}, r"shape \(2, 10\)"),
        ({"pixels": 3}, "has pixels"),
    ],
)
def test_other_pickles_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        load(tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_broken_files(tmp_path: Path) -> None:
    data, _, _ = records(20, 1)
    (tmp_path / "data_batch_1.bin").write_bytes(data[:-7])
    with pytest.raises(DataError, match="records of 3073 bytes"):
        load(tmp_path)
    (tmp_path / "data_batch_1.bin").unlink()
    good = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]})
    (tmp_path / "data_batch_1").write_bytes(good[:-50])
    with pytest.raises(DataError, match="truncated"):
        load(tmp_path)
    archive = tmp_path / "cifar-10-binary.tar.gz"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo("data_batch_1.bin")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    archive.write_bytes(stream.getvalue()[:-2000])
    with pytest.raises(DataError, match="truncated or damaged"):
        load(archive)
    archive.write_text("<html>404</html>")
    with pytest.raises(DataError, match="an HTML page: the download gave an error page"):
        load(archive)


def test_one_file_alone(tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(records(40, 1)[0])
    assert repr(load(tmp_path / "test_batch.bin", test=0.25, valid=0.25)).startswith(
        "Task('test_batch', 20/10/10"
    )
    with pytest.raises(DataError, match="Only CIFAR-100 has coarse labels"):
        load(tmp_path / "test_batch.bin", labels="coarse")
    with pytest.raises(ConfigError, match="fine"):
        load(tmp_path / "test_batch.bin", labels="both")
