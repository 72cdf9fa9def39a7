"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archloom.train import load_tensors, save_tensors, write_atomically


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.pt"
    save_tensors(path, {"a": torch.arange(3), "n": [1, {"x": 0.5}]})
    loaded = load_tensors(path)
    assert loaded is not None
    assert torch.equal(loaded["a"], torch.arange(3))
    assert loaded["n"] == [1, {"x": 0.5}]
    assert torch.load(path, weights_only=True).keys() == loaded.keys()
    assert [p.name for p in path.parent.iterdir()] == ["state.pt"]


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_tensors(path, {"a": torch.arange(300)})
    data = path.read_bytes()
    for keep in range(0, len(data), 97):
        path.write_bytes(data[:keep])
        assert load_tensors(path) is None


def test_a_changed_byte_in_a_tensor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    content = torch.full((400,), 7, dtype=torch.uint8)
    save_tensors(path, {"a": content})
    data = bytearray(path.read_bytes())
    place = bytes(data).index(bytes(content.tolist()))
    data[place + 200] ^= 1
    path.write_bytes(data)
    assert load_tensors(path) is None


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    assert load_tensors(tmp_path / "none.pt") is None
    (tmp_path / "text.pt").write_text("hello")
    assert load_tensors(tmp_path / "text.pt") is None
    torch.save(torch.zeros(2), tmp_path / "tensor.pt")
    assert load_tensors(tmp_path / "tensor.pt") is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, b"old")
    (tmp_path / "state.part").mkdir()  # the write fails as it would on a full disk
    with pytest.raises(OSError, match="state"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "state.pt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        save_tensors(tmp_path / "state.pt", {"a": torch.zeros(100_000)})
