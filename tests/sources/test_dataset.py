"""Torch datasets, npy files, and objects in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from archloom.errors import ConfigError, DataError
from archloom.sources import from_dataset, from_npy
from archloom.task import load, rebuild

X = np.random.default_rng(0).integers(0, 255, (40, 8, 9), dtype=np.uint8)
Y = np.arange(40) % 2


class Pictures(Dataset[Any]):
    """A dataset as people write them: an item at a time, with class names."""

    classes = ("cat", "dog")

    def __init__(self, count: int = 40, noise: bool = False) -> None:
        self.count, self.noise = count, noise
        self.reads = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        image = torch.from_numpy(X[index]).float().unsqueeze(0)
        return image + torch.rand(()) if self.noise else image, int(Y[index])


def test_item_by_item() -> None:
    task = load(Pictures(), valid=0.25)
    assert repr(task) == "Task('Pictures', 30/10/0, shape=(1, 8, 9), classes=2)"
    assert task.class_names == ("cat", "dog")
    assert task.notices == ()
    assert task.source is None
    assert {one.numpy().tobytes() for one in task.pooled().inputs} == {
        one.astype(np.float32).tobytes() for one in X
    }


def test_workers_read_the_same() -> None:
    assert from_dataset(Pictures(), workers=1).fingerprint == from_dataset(Pictures()).fingerprint


def test_given_splits_and_subsets() -> None:
    data = Pictures()
    parts = [Subset(data, range(20)), Subset(Subset(data, range(20, 40)), range(0, 20, 2))]
    task = load({"train": parts[0], "validation": parts[1]})
    assert (len(task.train), len(task.valid)) == (20, 10)
    np.testing.assert_array_equal(task.valid.inputs[1, 0].numpy(), X[22])


def test_tensor_datasets_are_taken_whole() -> None:
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    half = Subset(data, list(range(39, -1, -1)))
    task = from_dataset(data, valid=half)
    np.testing.assert_array_equal(task.valid.inputs[0, 0].numpy(), X[39])
    assert task.train.inputs.dtype == torch.uint8
    several = TensorDataset(torch.from_numpy(X), torch.rand(40, 3), torch.from_numpy(Y))
    assert from_dataset(several).shape == ((1, 8, 9), (3,))
    with pytest.raises(DataError, match="inputs and, last, targets"):
        from_dataset(TensorDataset(torch.zeros(3, 2)))


def test_random_transforms_are_noticed() -> None:
    assert "Items of train differ each time" in from_dataset(Pictures(noise=True)).notices[0]


def test_several_inputs_images_and_number_targets() -> None:
    image = pytest.importorskip("PIL.Image", reason="needs the extra images")
    items = [({"scan": image.fromarray(X[i]), "age": [i / 2]}, float(i) / 3) for i in range(40)]
    task = from_dataset(items, valid=0.25)
    assert task.shape == {"scan": (1, 8, 9), "age": (1,)}
    assert task.target.kind == "numbers"
    labels = from_dataset([(X[i], torch.tensor([i % 2, i % 3 // 2, 1])) for i in range(40)])
    assert labels.target.kind == "labels"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([X[0], X[1]], "pairs"),
        ([(X[0], 0), (X[1][:4], 1)], r"item 0 of train has \(8, 9\), item 1 has \(4, 9\)"),
        ([("text", 0), ("more", 1)], "transform that makes tensors"),
        ([(X[0], np.zeros(2)), (X[1], np.zeros(3))], "Targets must all have one shape"),
        ([], "must hold samples"),
        (3, "has none: collect its items"),
    ],
)
def test_items_that_do_not_fit(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_dataset(data)


def test_iterable_datasets_are_refused() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter([(X[0], 0)])

    with pytest.raises(DataError, match="Stream, which has none"):
        from_dataset(Stream())


def test_rows_that_do_not_fit_go_to_a_file(tmp_path: Path) -> None:
    task = from_dataset(Pictures(), memory="1 KB", cache=tmp_path)
    assert task.fingerprint == from_dataset(Pictures()).fingerprint
    assert list(tmp_path.iterdir()) == []  # it goes with the process, whatever ends that


def test_load_takes_objects() -> None:
    assert load((X, Y), valid=0.25).shape == (1, 8, 9)
    with pytest.raises(DataError, match=r"a torch Dataset.*got int"):
        load(7)
    with pytest.raises(ConfigError, match="did you mean 'valid'"):
        load((X, Y), vald=0.1)


def test_a_folder_of_npy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x_train.npy", X)
    np.save(tmp_path / "y_train.npy", Y)
    np.save(tmp_path / "test_images.npy", X[:10])
    np.save(tmp_path / "test-labels.npy", Y[:10])
    task = load(tmp_path, valid=0.25)
    assert (len(task.train), len(task.valid), task.test_size) == (30, 10, 10)
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint
    (tmp_path / "y_train.npy").unlink()
    with pytest.raises(DataError, match=r"of train, .* lacks targets\. It holds test-labels\.npy"):
        load(tmp_path)


def test_npy_files_by_name_stay_where_they_are(tmp_path: Path) -> None:
    for name, array in (("a", X), ("b", Y), ("c", X[:8]), ("d", Y[:8])):
        np.save(tmp_path / f"{name}.npy", array)
    pair = (tmp_path / "c.npy", tmp_path / "d.npy")
    task = load(tmp_path / "a.npy", labels=tmp_path / "b.npy", valid=pair, name="grey")
    assert repr(task) == "Task('grey', 40/8/0, shape=(1, 8, 9), classes=2)"
    task.train.inputs[0] = 0  # private: the file keeps its values
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), X)
    assert task.source is not None
    again = rebuild(task.source)
    assert (again.name, len(again.valid)) == ("grey", 8)
    with pytest.raises(ConfigError, match="labels="):
        from_npy(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n....", "it is a PNG image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"", "an empty file"),
        (None, "truncated"),
    ],
)
def test_broken_npy_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    data = (tmp_path / "X.npy").read_bytes()
    (tmp_path / "X.npy").write_bytes(data[:-50] if content is None else content)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_npy_files_of_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(DataError, match="pickled objects"):
        load(tmp_path)
