"""MedMNIST: all its tasks and sizes, by file and by name, and the package's own download."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.errors import ConfigError, DataError, MissingExtra
from archloom.sources import MEDMNIST, from_medmnist
from archloom.task import load, rebuild

RNG = np.random.default_rng(0)


def medmnist_file(
    path: Path, labels: int = 1, classes: int = 2, shape: tuple[int, ...] = (28, 28)
) -> Path:
    """Write a file in the official layout; with several label columns they are 0 or 1."""
    arrays: dict[str, Any] = {}
    for split, count in (("train", 40), ("val", 20), ("test", 20)):
        arrays[f"{split}_images"] = RNG.integers(0, 255, (count, *shape), dtype=np.uint8)
        column = np.arange(count) % classes
        table = np.stack([(column + label) % classes for label in range(labels)], axis=1)
        arrays[f"{split}_labels"] = table.astype(np.uint8)
    np.savez_compressed(path, **arrays)
    return path


def test_all_eighteen_sets_are_known() -> None:  # Yang et al. 2023: 12 in 2-D, 6 in 3-D
    assert len(MEDMNIST) == 18
    assert sum(one.volumes for one in MEDMNIST.values()) == 6
    # the numbers of classes in table 2 of the paper
    counts = {"pathmnist": 9, "chestmnist": 14, "dermamnist": 7, "octmnist": 4, "retinamnist": 5}
    counts |= {"bloodmnist": 8, "tissuemnist": 8, "organamnist": 11, "organcmnist": 11}
    counts |= {"organsmnist": 11, "organmnist3d": 11, "fracturemnist3d": 3}
    for name, one in MEDMNIST.items():
        assert len(one.labels) == counts.get(name, 2), name


@pytest.mark.parametrize(
    "name", ["dermamnist", "dermamnist_64", "DermaMNIST_128", "dermamnist_224"]
)
def test_a_colour_set_in_every_size(tmp_path: Path, name: str) -> None:
    task = load(medmnist_file(tmp_path / f"{name}.npz", classes=7, shape=(28, 28, 3)))
    assert repr(task) == f"Task('{name}', 40/20/20, shape=(3, 28, 28), classes=7)"
    assert task.class_names[4] == "melanoma"
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint


def test_chestmnist_has_fourteen_labels(tmp_path: Path) -> None:
    task = load(medmnist_file(tmp_path / "chestmnist.npz", labels=14))
    assert (task.target.kind, task.outputs) == ("labels", 14)
    assert task.class_names[0] == "atelectasis"
    assert task.class_names[-1] == "hernia"
    assert task.train.targets.shape == (40, 14)
    assert task.main_metric == "auc"


def test_retinamnist_is_ordinal_or_a_number(tmp_path: Path) -> None:
    path = medmnist_file(tmp_path / "retinamnist.npz", classes=5, shape=(28, 28, 3))
    grades = load(path)
    assert grades.target.kind == "classes"
    assert "quadratic_kappa" in grades.metrics
    numbers = load(path, target="numbers")
    assert numbers.target.kind == "numbers"
    assert numbers.train.targets.shape == (40, 1)
    assert numbers.source is not None
    assert rebuild(numbers.source).target.kind == "numbers"


@pytest.mark.parametrize("edge", [28, 64])
def test_volumes(tmp_path: Path, edge: int) -> None:
    shape = (edge,) * 3
    task = load(medmnist_file(tmp_path / "nodulemnist3d.npz", shape=shape))
    assert task.shape == (1, *shape)
    assert task.class_names == ("benign", "malignant")
    assert task.kind == "volume"


def test_a_file_of_another_name_is_told_by_its_arrays(tmp_path: Path) -> None:
    task = load(medmnist_file(tmp_path / "scans.npz", labels=3, shape=(12, 12, 12)))
    assert task.shape == (1, 12, 12, 12)
    assert (task.target.kind, task.outputs) == ("labels", 3)


def test_by_name(tmp_path: Path) -> None:
    medmnist_file(tmp_path / "breastmnist_64.npz", shape=(64, 64))
    task = load("medmnist", path="breastmnist", size=64, root=tmp_path)
    assert task.name == "breastmnist_64"
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint
    with pytest.raises(DataError, match=r"breastmnist\.npz.*download=True"):
        from_medmnist("breastmnist", root=tmp_path)
    with pytest.raises(ConfigError, match="28, 64, got 224"):
        from_medmnist("nodulemnist3d", size=224, root=tmp_path)
    with pytest.raises(DataError, match="did you mean 'breastmnist'"):
        from_medmnist("brestmnist")


@pytest.mark.parametrize("name", ["breastmnist", "pneumoniamnist"])
def test_the_real_files(shared: Path, name: str) -> None:
    task = from_medmnist(name, root=shared)
    assert task.class_names == MEDMNIST[name].labels
    # Counted in the official files: 390 of 624 are pneumonia, 42 of 156 ultrasounds malignant
    positive = int(task.open_test(lambda: None).targets.sum())
    assert positive == {"breastmnist": 114, "pneumoniamnist": 390}[name]


STAND_IN = '''
import shutil, os
INFO = {"breastmnist": {"python_class": "BreastMNIST"}}

class BreastMNIST:
    """What the package does: check the folder, download when told to, then open the file."""

    def __init__(self, split, transform=None, target_transform=None, download=False,
                 as_rgb=False, root=None, size=None, mmap_mode=None):
        if not os.path.exists(root):
            raise RuntimeError("Failed to setup the default `root` directory.")
        flag = "breastmnist" + ("" if size in (None, 28) else f"_{size}")
        source = os.environ.get("TEST_MEDMNIST_SERVER", "")
        if download:
            try:
                shutil.copy(os.path.join(source, flag + ".npz"), root)
            except OSError:
                raise RuntimeError("Automatic download failed! Please download it manually.")
        if not os.path.exists(os.path.join(root, flag + ".npz")):
            raise RuntimeError("Dataset not found.")
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the package medmnist, and the folder that it downloads from."""
    server = tmp_path / "server"
    (tmp_path / "lib").mkdir()
    server.mkdir()
    (tmp_path / "lib" / "medmnist.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.delitem(sys.modules, "medmnist", raising=False)
    monkeypatch.setenv("TEST_MEDMNIST_SERVER", str(server))
    return server


def test_download_by_the_package(tmp_path: Path, package: Path) -> None:
    medmnist_file(package / "breastmnist_128.npz", shape=(128, 128))
    root = tmp_path / "new" / "root"
    task = from_medmnist("breastmnist", size=128, root=root, download=True)
    assert task.shape == (1, 128, 128)
    assert (root / "breastmnist_128.npz").exists()


def test_a_download_that_fails(tmp_path: Path, package: Path) -> None:
    with pytest.raises(DataError, match="could not fetch breastmnist: Automatic download failed"):
        from_medmnist("breastmnist", root=tmp_path / "root", download=True)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(MissingExtra, match="pip install medmnist"):
        from_medmnist("breastmnist", root=tmp_path, download=True)
