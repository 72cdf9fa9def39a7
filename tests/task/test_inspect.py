"""What the data checks find, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from archloom.task import Task, digits, fashion_mnist, from_arrays, from_npz, inspect_data

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def kinds(task: Task) -> dict[str, str]:
    return {finding.kind: finding.message for finding in inspect_data(task)}


def noise(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(seed))


def test_clean_data_have_no_findings() -> None:
    assert inspect_data(digits()) == []


def test_a_handful_of_validation_samples_is_told() -> None:
    X = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    y = torch.arange(40) % 2
    few = [f for f in inspect_data(from_arrays(X, y, valid=(X[:3] + 1, y[:3]))) if f.kind == "few"]
    assert len(few) == 1
    assert "Only 3 validation samples choose" in few[0].message
    enough = inspect_data(from_arrays(X, y, valid=(X[:16] + 1, y[:16])))
    assert not [f for f in enough if f.kind == "few"]


def test_identical_splits_are_found() -> None:
    X, y = noise(40), torch.arange(40) % 2
    found = inspect_data(from_arrays(X, y, valid=(X, y), test=(X, y)))
    shared = [finding for finding in found if finding.kind == "shared"]
    assert [finding.severity for finding in shared] == ["warning"] * 3
    assert "40 of its 40" in shared[0].message
    assert "test split" in shared[1].message


def test_one_copy_across_splits_is_counted() -> None:
    X, y = noise(40), torch.arange(40) % 2
    other = noise(10, seed=1)
    other[3] = X[7]
    found = kinds(from_arrays(X, y, valid=(other, torch.arange(10) % 2)))
    assert "1 of its 10 samples" in found["shared"]


def test_copies_with_other_labels_are_worse_than_copies() -> None:
    X, y = noise(40), torch.arange(40) % 2
    valid = (noise(20, seed=1), torch.arange(20) % 2)
    X[2] = X[0]
    same = inspect_data(from_arrays(X, y, valid=valid))
    assert [(f.kind, f.severity) for f in same] == [("repeated", "notice")]
    X[3] = X[0]
    torn = inspect_data(from_arrays(X, y, valid=valid))
    assert [(f.kind, f.severity) for f in torn] == [("repeated", "warning")]
    assert "1 of the repeated ones have different targets" in torn[0].message


def test_rare_and_single_classes() -> None:
    y = torch.tensor([0] * 150 + [1] * 147 + [2] * 2 + [3])
    valid = (noise(10, seed=1), torch.arange(10) % 2)
    found = kinds(from_arrays(noise(300), y, valid=valid))
    assert "3 has a single training sample" in found["single"]
    assert "2 (2)" in found["balance"]


def test_constant_channels_and_features() -> None:
    X = torch.rand(30, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    X[:, 1] = 0.5
    found = kinds(from_arrays(X, torch.arange(30) % 2, valid=0.2, layout="NCHW"))
    assert "1 constant channel, which carry nothing: 1 (always 0.5)" in found["constant"]
    table = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
    table[:, 3] = -2
    assert "3 (always -2)" in kinds(from_arrays(table, torch.arange(30) % 2))["constant"]


def test_a_known_set_is_known_by_another_name() -> None:
    data = digits()
    pooled = data.pooled()
    inputs = torch.cat([pooled.inputs, data.open_test(lambda: None).inputs])  # type: ignore[list-item]
    targets = torch.cat([pooled.targets, data.open_test(lambda: None).targets])
    shuffled = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    task = from_arrays(inputs[shuffled], targets[shuffled], valid=0.2, test=0.2, name="my scans")
    assert "those of digits" in kinds(task)["known"]
    scaled = from_arrays(inputs / 16, targets, name="my scans", layout="NCHW")
    assert "those of digits" in kinds(scaled)["known"]
    assert "known" not in kinds(from_arrays(inputs[1:], targets[1:], layout="NCHW"))


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="the Debian package dataset-fashion-mnist is not installed",
)
def test_fashion_mnist_called_mnist_is_found() -> None:
    task = fashion_mnist()
    assert "known" not in kinds(task)
    pooled = task.pooled()
    renamed = from_arrays(pooled.inputs, pooled.targets, name="mnist", layout="NCHW")
    assert "those of Fashion-MNIST" in kinds(renamed)["known"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data is not there")
def test_the_published_breastmnist(tmp_path: Path) -> None:
    path = SHARED / "breastmnist.npz"
    assert "known" not in kinds(from_npz(path))
    with np.load(path) as file:
        np.savez(tmp_path / "clinic.npz", **dict(file))
    assert "those of BreastMNIST" in kinds(from_npz(tmp_path / "clinic.npz"))["known"]
