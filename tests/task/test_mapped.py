"""Data that do not fit into memory: mapped files, the cache of rows, and bounds on memory."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, DataError
from archloom.task import Room, Task, cached_rows, from_arrays, from_npz
from archloom.task._mapped import is_mapped, keep_mapped, parse_bytes

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (60, 3, 8, 9), dtype=np.uint8)
LABELS = np.arange(60) % 3


def in_file(tensor: Any) -> bool:
    """Say whether the values lie in a mapped file, by the list that Linux keeps."""
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if start <= address < end:
            return len(line.split()) > 5 and line.split()[5].startswith("/")
    return False


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc of Linux")


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("1.5GiB", 3 << 29), ("10", 10), (512, 512), (1e6, 10**6), ("3k", 3000)],
)
def test_amounts_of_memory(text: Any, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["much", "-2 GB", "", 0, -5, True, "1..2 GB"])
def test_amounts_that_are_none(text: Any) -> None:
    with pytest.raises(ConfigError, match="such as '2 GB'"):
        parse_bytes(text)


@linux
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_mapped_arrays_stay_in_their_file(tmp_path: Path, mode: Any) -> None:
    np.save(tmp_path / "X.npy", IMAGES)
    X = np.load(tmp_path / "X.npy", mmap_mode=mode)
    task = from_arrays(X[10:50], LABELS[10:50], valid=(X[50:], LABELS[50:]))
    for split in (task.train, task.valid):
        assert in_file(split.inputs)
    np.testing.assert_array_equal(task.train.inputs.numpy(), IMAGES[10:50])
    assert (
        task.fingerprint
        == from_arrays(IMAGES[10:50], LABELS[10:50], valid=(IMAGES[50:], LABELS[50:])).fingerprint
    )


def test_writing_to_a_read_only_map_changes_no_file(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", IMAGES)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    for view in (X, X[5:], X[::2], X[:, 1:]):
        private = keep_mapped(view)
        np.testing.assert_array_equal(private, np.array(view))
        private[0] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), IMAGES)
    assert is_mapped(X[3])
    assert not is_mapped(np.array(X))


@linux
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i8", "u2", ">f4"])
def test_what_does_not_fit_is_cut_and_converted_in_files(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "X.npy", IMAGES.astype(dtype))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = from_arrays(IMAGES.astype(dtype), LABELS, valid=0.2, test=0.2)
    task = from_arrays(X, LABELS, valid=0.2, test=0.2, memory="1 KB", cache=tmp_path / "cache")
    assert task.fingerprint == plain.fingerprint
    assert in_file(task.train.inputs)
    torch.testing.assert_close(task.normalisation.mean, plain.normalisation.mean)
    assert list((tmp_path / "cache").iterdir()) == []  # the files have no names that could stay


@linux
def test_channels_last_are_not_copied_to_turn_them(tmp_path: Path) -> None:
    last = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1))
    np.save(tmp_path / "X.npy", last)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    pair = {"valid": (X[:9], LABELS[:9])}
    task = from_arrays(X, LABELS, memory="1 KB", cache=tmp_path, **pair)
    assert in_file(task.train.inputs)
    assert task.shape == (3, 8, 9)
    assert task.fingerprint == from_arrays(last, LABELS, valid=(last[:9], LABELS[:9])).fingerprint


def test_several_inputs(tmp_path: Path) -> None:
    X = {"image": IMAGES, "age": np.arange(60.0).reshape(-1, 1)}
    small = from_arrays(X, LABELS, memory="1 KB", cache=tmp_path)
    assert small.fingerprint == from_arrays(X, LABELS).fingerprint


def npz(path: Path, **arrays: Any) -> Path:
    given = {"train_images": IMAGES, "train_labels": LABELS[:, None], **arrays}
    np.savez_compressed(path, **given)
    return path


@linux
def test_npz_larger_than_memory_is_unpacked_once(tmp_path: Path) -> None:
    path, cache = (
        npz(tmp_path / "set.npz", val_images=IMAGES[:9], val_labels=LABELS[:9]),
        tmp_path / "c",
    )
    plain = from_npz(path)
    task = from_npz(path, memory="1 KB", cache=cache)
    assert task.fingerprint == plain.fingerprint
    assert in_file(task.train.inputs)
    names = {file.name.rsplit("-", 1)[0] for file in cache.glob("*.npy")}
    assert names == {"set-train_images", "set-val_images"}
    before = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    from_npz(path, memory="1 KB", cache=cache)
    assert {file: file.stat().st_mtime_ns for file in cache.iterdir()} == before


def test_the_description_beside_cached_rows(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("data")
    fills: list[int] = []

    def fill(rows: np.ndarray) -> list[str]:
        fills.append(1)
        rows[:] = 7
        return ["a note"]

    def call(**changes: Any) -> tuple[np.ndarray, Any]:
        given: dict[str, Any] = {"files": [source], "options": {"size": 3}, **changes}
        return cached_rows(fill, (4, 5), "f4", room=Room(10, tmp_path / "cache"), **given)

    rows, note = call()
    assert (rows == 7).all()
    assert note == ["a note"]
    assert call()[1] == ["a note"]
    assert len(fills) == 1
    (about,) = (tmp_path / "cache").glob("*.json")
    described = json.loads(about.read_text())
    assert described["files"]["count"] == 1
    assert described["options"] == {"size": 3}
    call(options={"size": 4})
    assert len(fills) == 2
    source.write_text("other data")
    call()
    assert len(fills) == 3


@pytest.mark.parametrize("harm", ["cut", "no description", "half a description"])
def test_a_cache_that_was_cut_off_is_written_again(tmp_path: Path, harm: str) -> None:
    def call() -> np.ndarray:
        rows, _ = cached_rows(
            lambda rows: rows.fill(7), (4, 5), "f4", room=Room(1, tmp_path), files=[], options={}
        )
        return rows

    call()
    (rows,), (about,) = tmp_path.glob("*.npy"), tmp_path.glob("*.json")
    match harm:
        case "cut":
            rows.write_bytes(rows.read_bytes()[:-8])
        case "no description":
            about.unlink()
        case _:
            about.write_text(about.read_text()[:20])
    assert (call() == 7).all()


def test_an_error_while_filling_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill(rows: np.ndarray) -> None:
        raise DataError("a broken image")

    with pytest.raises(DataError, match="broken"):
        cached_rows(fill, (4, 5), "f4", room=Room(1, tmp_path), files=[], options={})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the space is asked for at once."""
    code = f"""
        import numpy as np, resource, signal
        from archloom.errors import DataError
        from archloom.task import Room, cached_rows, from_arrays
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        room = Room.of(100, {str(tmp_path)!r})
        try:
            cached_rows(lambda rows: None, (1000, 1000), "u1", room=room, files=[], options={{}})
        except DataError as error:
            print(error)
        try:
            room.empty((1000, 1000), "u1")
        except DataError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "has no room for 1,000,000 bytes" in line
        assert "cache= or $ARCHLOOM_CACHE" in line
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="name another one with cache="):
        Room.of(1, tmp_path / "file" / "cache").empty((9, 9), "u1")


@linux
@pytest.mark.slow
def test_memory_stays_small(tmp_path: Path) -> None:
    """Load, check, measure, cut and fingerprint 200 MB: a single copy would be too much."""
    shape = (12_288, 1, 64, 64)
    np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, shape).flush()
    code = f"""
        import numpy as np, threading, time
        import torch
        torch.set_num_threads(1)
        from archloom.task import from_arrays

        def own():
            lines = open("/proc/self/status").read().splitlines()
            return int(next(l for l in lines if l.startswith("RssAnon")).split()[1]) * 1024

        X, y = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r"), np.arange(12_288) % 2
        from_arrays(X[:64], y[:64], memory="8 MB", cache={str(tmp_path)!r}).fingerprint
        before, peak, done = own(), [0], []

        def watch():
            while not done:
                peak[0] = max(peak[0], own())
                time.sleep(0.002)

        watcher = threading.Thread(target=watch)
        watcher.start()
        task = from_arrays(X, y, memory="8 MB", cache={str(tmp_path)!r})
        task.fingerprint
        done.append(1)
        watcher.join()
        print(peak[0] - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150e6


def test_a_task_in_memory_needs_no_file(tmp_path: Path) -> None:
    task = from_arrays(IMAGES, LABELS, cache=tmp_path / "cache")
    assert isinstance(task, Task)
    assert not (tmp_path / "cache").exists()
