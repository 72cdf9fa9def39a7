"""Hugging Face datasets made in memory: images, texts, arrays and tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import ConfigError, DataError, MissingExtra
from archloom.sources import from_hub
from archloom.task import load, rebuild

datasets = pytest.importorskip("datasets", reason="needs the extra hub")
Image = pytest.importorskip("PIL.Image", reason="needs the extra images")


def pictures(count: int, names: tuple[str, ...] = ("cat", "dog"), first: int = 0) -> Any:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    )
    images = [Image.new("L", (6, 5), first + number) for number in range(count)]
    labels = [number % len(names) for number in range(count)]
    return datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)


def test_images_and_class_labels() -> None:
    data = datasets.DatasetDict(
        {"train": pictures(20), "validation": pictures(6, first=50), "test": pictures(4, first=90)}
    )
    task = load(data)
    assert (len(task.train), len(task.valid), task.test_size) == (20, 6, 4)
    assert task.shape == (1, 5, 6)
    assert task.class_names == ("cat", "dog")
    assert task.valid.inputs[:, 0, 0, 0].tolist() == [50, 51, 52, 53, 54, 55]
    assert task.encoder.transform([Image.new("L", (6, 5), 7)]).unique().tolist() == [7]


def test_one_dataset_is_cut(tmp_path: Path) -> None:
    task = load(pictures(20), valid=0.2, test=0.2, size=4, name="pets")
    assert repr(task) == "Task('pets', 12/4/4, shape=(1, 4, 4), classes=2)"
    mapped = from_hub(
        pictures(20), valid=0.2, test=0.2, size=4, memory="100 B", cache=tmp_path, name="pets"
    )
    assert mapped.fingerprint == task.fingerprint
    assert list(tmp_path.glob("*.npy"))


def test_saved_to_disk_and_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.DatasetDict({"train": pictures(20)}).save_to_disk(str(tmp_path / "pets"))
    task = load(tmp_path / "pets", valid=0.2)
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint
    with pytest.raises(DataError, match="'no/such_set' cannot be had"):
        from_hub("no/such_set")


def test_a_split_whose_labels_are_kept_back() -> None:
    data = {"text": ["a fine day", "a bad day"] * 10, "label": [1, 0] * 10}
    held = {"text": ["who knows"] * 4, "label": [-1] * 4}
    parts = {"train": datasets.Dataset.from_dict(data), "test": datasets.Dataset.from_dict(held)}
    parts["unsupervised"] = parts["train"]
    task = load(datasets.DatasetDict(parts), valid=0.2)
    assert task.kind == "text"
    assert not task.has_test
    assert task.notices[0] == "The splits unsupervised were left out."
    assert "The split test has no targets" in task.notices[1]


def test_numbers_are_a_table() -> None:
    rng = np.random.default_rng(0)
    data = datasets.Dataset.from_dict(
        {"a": rng.random(30).tolist(), "b": [None, *range(29)], "y": [i / 7 for i in range(30)]}
    )
    task = load(data, target="y", predict="numbers", valid=0.2)
    assert task.target.kind == "numbers"
    assert len(task.train) == 24
    assert task.encoder.to_json()["encoder"] == "table"


def test_arrays() -> None:
    rows = np.random.default_rng(0).random((20, 3, 4)).tolist()
    features = datasets.Features(
        {"scan": datasets.Array2D((3, 4), "float32"), "label": datasets.Value("int64")}
    )
    data = datasets.Dataset.from_dict({"scan": rows, "label": [0, 1] * 10}, features=features)
    assert load(data, valid=0.2).shape == (1, 3, 4)
    ragged = datasets.Dataset.from_dict({"x": [[1], [1, 2]] * 10, "label": [0, 1] * 10})
    with pytest.raises(DataError, match="those of 'x' differ"):
        load(ragged)


def test_columns_that_cannot_be_told() -> None:
    data = datasets.Dataset.from_dict({"a": ["x", "y"], "b": ["u", "v"], "c": [0, 1]})
    with pytest.raises(DataError, match=r"holds the targets cannot be told.*a, b, c"):
        load(data)
    with pytest.raises(DataError, match="holds the inputs cannot be told: a, b"):
        load(data, target="c")
    with pytest.raises(ConfigError, match=r"no column 'd'.*Known: a, b, c"):
        load(data, target="d")
    with pytest.raises(DataError, match="needs the split train, there are: spring"):
        load(datasets.DatasetDict({"spring": data}))
    gap = datasets.Dataset.from_dict({"text": ["x", None], "label": [0, 1]})
    with pytest.raises(DataError, match="A text is missing in column 'text' of train, row 1"):
        load(gap)


def test_a_broken_image() -> None:
    data = pictures(20).cast_column("image", datasets.Image(decode=False))
    rows = [dict(row) for row in data]
    rows[3]["image"] = {"bytes": rows[3]["image"]["bytes"][:40], "path": None}
    broken = datasets.Dataset.from_list(rows, features=pictures(2).features)
    with pytest.raises(DataError, match=r"image\[3\].*skip_broken=True"):
        load(broken)
    task = load(broken, skip_broken=True)
    assert len(task.train) + len(task.valid) == 19
    assert task.notices[0].startswith("1 of 20 files")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"archloom\[hub\]"):
        from_hub("anything")
