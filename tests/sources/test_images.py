"""Folders and tables of image files: sizes, colours, depths, and broken files."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.sources.files import pictures

from archloom.errors import ConfigError, DataError, MissingExtra
from archloom.sources import ImageEncoder, encoder_from_json, from_images
from archloom.task import load, rebuild

Image = pytest.importorskip("PIL.Image", reason="needs the extra images")


def class_folders(root: Path, *parts: str, count: int = 10) -> Path:
    for part in parts or ("",):
        for name in ("cat", "dog"):
            pictures(root / part / name, count, (8, 9, 3))
    return root


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets")
    (root / "cat" / ".DS_Store").write_text("junk")
    task = load(root, valid=0.2, test=0.2)
    assert repr(task) == "Task('pets', 12/4/4, shape=(3, 8, 9), classes=2)"
    assert task.class_names == ("cat", "dog")
    assert task.notices == ()
    assert task.kind == "image"
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint
    own = np.asarray(Image.open(root / "cat" / "000.png")).transpose(2, 0, 1)
    everything = [*task.pooled().inputs.numpy(), *task.open_test(lambda: None).inputs.numpy()]
    assert sum(np.array_equal(own, one) for one in everything) == 1


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_given_splits_are_kept(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name, count in zip(names, (6, 3, 2), strict=True):
        class_folders(tmp_path / name, count=count)
    task = load(tmp_path)
    assert (len(task.train), len(task.valid), task.test_size) == (12, 6, 4)


def test_train_and_test_alone(tmp_path: Path) -> None:
    class_folders(tmp_path, "train", "test")
    task = load(tmp_path, valid=0.2)
    assert (len(task.train), len(task.valid), task.test_size) == (16, 4, 20)
    (tmp_path / "extra").mkdir()
    with pytest.raises(DataError, match=r"'extra' is none of train"):
        load(tmp_path)


def test_a_table_beside_the_images(tmp_path: Path) -> None:
    files = pictures(tmp_path / "img", 12, (6, 6))
    rows = [f"img/{file.name},{('ok', 'bad')[i % 2]}" for i, file in enumerate(files)]
    (tmp_path / "list.csv").write_text("\n".join(["file,diagnosis", *rows]))
    task = load(tmp_path / "list.csv", valid=0.25)
    assert task.class_names == ("bad", "ok")
    assert task.shape == (1, 6, 6)
    same = from_images(tmp_path, table="list.csv", valid=0.25)
    assert same.fingerprint == task.fingerprint
    assert same.source is not None
    assert rebuild(same.source).fingerprint == task.fingerprint


def test_a_table_with_names_without_suffix_groups_and_splits(tmp_path: Path) -> None:
    files = pictures(tmp_path, 20, (6, 6))
    lines = ["image_id,age,patient_id,split"]
    for i, file in enumerate(files):
        part = "test" if i >= 16 else "train"
        lines.append(f"{file.stem},{20 + i * 1.5},p{i // 4},{part}")
    (tmp_path / "meta.csv").write_text("\n".join(lines))
    task = from_images(tmp_path, valid=0.25, target="age", files="image_id")
    assert task.target.kind == "numbers"
    assert (len(task.train), len(task.valid), task.test_size) == (12, 4, 4)
    assert task.notices[0] == "The column 'split' was taken as split=."
    assert task.notices[1] == "The column 'patient_id' was taken as groups=."
    patients = (task.valid.targets.flatten() - 20) // 6  # four ages 1.5 apart belong to one
    assert len(set(patients.tolist())) == 1


def test_several_label_columns(tmp_path: Path) -> None:
    files = pictures(tmp_path, 12, (6, 6))
    lines = [f"{file.name},{i % 2},{i % 3 // 2}" for i, file in enumerate(files)]
    (tmp_path / "t.csv").write_text("\n".join(["image,edema,hernia", *lines]))
    task = load(tmp_path, valid=0.25)
    assert (task.target.kind, task.class_names) == ("labels", ("edema", "hernia"))


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("file,a,b\n000.png,1.5,x\n001.png,2.5,y\n", {}, DataError, "holds the targets cannot"),
        ("file,y\n000.png,1\nlost.png,0\n", {}, DataError, "'lost.png', which is not in"),
        ("file,y\n000.png,1\n001.png,\n", {}, DataError, "missing in column 'y'.*row 2"),
        ("a,b\n1.5,2\n3,4\n", {}, DataError, "No column of .* names images"),
        ("file,y\n000.png,1\n", {"target": "z"}, ConfigError, "no column 'z'.*Known: file, y"),
        ("file,y,split\n000.png,1,lesson\n", {"split": "split"}, DataError, "'lesson'"),
    ],
)
def test_tables_that_do_not_fit(
    tmp_path: Path, text: str, options: Any, error: type[Exception], message: str
) -> None:
    pictures(tmp_path, 2, (6, 6))
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=message):
        from_images(tmp_path, table="t.csv", **options)


def test_sizes_that_differ(tmp_path: Path) -> None:
    pictures(tmp_path / "a", 5, (8, 8))
    pictures(tmp_path / "b", 5, (8, 16))
    message = r"a/000\.png has 8x8 pixels, .*b/000\.png has 16x8\. Give size="
    with pytest.raises(DataError, match=message):
        load(tmp_path)
    assert load(tmp_path, size=4, valid=0.2).shape == (1, 4, 4)
    assert load(tmp_path, size=(4, 6), fit="crop", valid=0.2).shape == (1, 4, 6)
    with pytest.raises(ConfigError, match="pair"):
        load(tmp_path, size=(4, 6, 8))
    with pytest.raises(ConfigError, match="fit is one of"):
        load(tmp_path, size=4, fit="squeeze")
    with pytest.raises(ConfigError, match=r"layout itself, it cannot be given"):
        load(tmp_path, size=4, layout="NHW")


def test_what_fit_does(tmp_path: Path) -> None:
    wide = np.zeros((4, 8), dtype=np.uint8)
    wide[:, 2:6] = 200  # the middle half
    means = {
        fit: ImageEncoder((4, 4), fit=fit, colour="grey").transform([wide]).float().mean().item()
        for fit in ("stretch", "crop", "pad")
    }
    assert means["crop"] == 200
    assert means["stretch"] == pytest.approx(100, abs=3)
    assert means["pad"] == pytest.approx(50, abs=3)


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    values = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.fromarray(values).save(tmp_path / name / f"{number}.png")
    task = load(tmp_path, valid=0.25)
    np.testing.assert_array_equal(task.train.inputs[0, 0].numpy(), values.astype(np.float32))
    pictures(tmp_path / "b" / "more", 2, (8, 8))
    task = load(tmp_path, valid=0.25)
    assert "8 of 10 images have more than 8 bits" in task.notices[0]
    assert task.pooled().inputs.max() > 60_000


def test_colours(tmp_path: Path) -> None:
    pictures(tmp_path / "a", 4, (6, 6))
    pictures(tmp_path / "b", 4, (6, 6, 3))
    task = load(tmp_path, valid=0.25)
    assert task.shape == (3, 6, 6)
    assert "4 of 8 images are grey" in task.notices[0]
    assert load(tmp_path, valid=0.25, colour="grey").shape == (1, 6, 6)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = np.zeros((6, 6, 4), dtype=np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.fromarray(clear).save(tmp_path / name / f"{number}.png")
    task = load(tmp_path, valid=0.25)
    assert "8 of 8 images have an alpha channel and are laid on white" in task.notices[0]
    assert (task.train.inputs == 255).all()
    assert load(tmp_path, valid=0.25, colour="rgba").shape == (4, 6, 6)


UPRIGHT: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
"""Orientations of EXIF (CIPA DC-008, tag 0x0112): where the stored first row and column belong."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("suffix", "mode", "options"),
    [
        (".png", "L", {}),
        (".jpg", "L", {"quality": 95}),
        (".jpg", "RGB", {"quality": 95}),
        (".tif", "L", {}),
        (".tif", "RGB", {}),
        (".tif", "I;16", {}),
        (".tif", "F", {}),
        (".tif", "L", {"compression": "tiff_lzw"}),
        (".tif", "L", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_pictures_are_turned_upright(
    tmp_path: Path, orientation: int, suffix: str, mode: str, options: Any
) -> None:
    stored = np.kron(np.arange(6).reshape(2, 3) * 40, np.ones((16, 16))).astype(np.uint8)
    if mode == "RGB":
        stored = np.stack([stored] * 3, axis=2)
    exif = Image.Exif()
    exif[0x0112] = orientation
    deep = {"I;16": np.uint16, "F": np.float32}.get(mode)
    image = Image.fromarray(stored if deep is None else stored.astype(deep))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            image.save(tmp_path / name / f"{number}{suffix}", exif=exif, **options)
    task = load(tmp_path, valid=0.25)
    upright = np.atleast_3d(UPRIGHT[orientation](stored)).transpose(2, 0, 1)
    assert task.shape == upright.shape
    own = np.abs(task.train.inputs[0].numpy().astype(float) - upright)
    assert own.max() <= (30 if suffix == ".jpg" else 0)  # JPEG is lossy
    assert own.mean() < 3
    with Image.open(tmp_path / "a" / f"0{suffix}") as opened:
        assert np.array_equal(task.encoder.transform([opened])[0], task.train.inputs[0])


def test_files_to_predict_for_that_are_missing_or_broken(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets")
    encoder = load(root).encoder
    with pytest.raises(
        DataError, match=r"no file .*lost\.png\. Get the file again, or leave it out"
    ):
        encoder.transform([root / "lost.png"])
    whole = (root / "cat" / "001.png").read_bytes()
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.png is broken: .*\. Get the file again, or leave"):
        encoder.transform([str(cut)])
    with Image.open(cut) as opened, pytest.raises(DataError, match=r"cut\.png is broken"):
        encoder.transform([opened])
    cut.write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"cut\.png cannot be read as an image: it is an HTML page"):
        encoder.transform([cut])


def test_broken_files(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets")
    whole = (root / "cat" / "001.png").read_bytes()
    (root / "cat" / "001.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"001\.png is broken.*skip_broken=True"):
        load(root)
    (root / "dog" / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"notes\.txt cannot be read as an image: it is a text"):
        load(root)
    (root / "dog" / "empty.png").write_bytes(b"")
    task = load(root, skip_broken=True)
    assert len(task.train) + len(task.valid) == 19
    assert task.notices[0].startswith("3 of 22 files could not be read as images and were left out")
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint


def test_nothing_readable(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"None of 2 image files can be read.*an HTML page"):
        load(tmp_path, skip_broken=True)


def test_decompression_bombs(tmp_path: Path) -> None:
    class_folders(tmp_path)
    with pytest.raises(DataError, match=r"may have 50 pixels, .* has 9x8 = 72"):
        load(tmp_path, max_pixels=50)
    # a file of a few hundred bytes that says it is 30,000 pixels wide and high
    bomb = bytearray((tmp_path / "cat" / "000.png").read_bytes())
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb[16 : 16 + 13] = header
    bomb[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "cat" / "000.png").write_bytes(bomb)
    with pytest.raises(DataError, match=r"is larger than Pillow opens"):
        load(tmp_path)


def test_the_cache_is_written_once_and_used_again(tmp_path: Path) -> None:
    root, cache = class_folders(tmp_path / "pets"), tmp_path / "cache"
    plain = load(root, size=16)
    mapped = load(root, size=16, memory="1 KB", cache=cache)
    assert mapped.fingerprint == plain.fingerprint
    (file,) = cache.glob("*.npy")
    before = file.stat().st_mtime_ns
    assert mapped.source is not None
    assert rebuild(mapped.source).fingerprint == plain.fingerprint
    assert file.stat().st_mtime_ns == before
    pictures(root / "cat", 1, (8, 9, 3))  # another first cat
    assert load(root, size=16, memory="1 KB", cache=cache).fingerprint != plain.fingerprint
    assert len(list(cache.glob("*.npy"))) == 2
    assert not list(cache.glob("*.part*"))


def test_the_encoder_reads_new_files_alike(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets")
    task = load(root, size=(5, 4))
    again = encoder_from_json(task.encoder.to_json())
    assert again == task.encoder
    row = again.transform([root / "dog" / "003.png"])
    pooled = task.pooled().inputs
    assert any(np.array_equal(row[0], one) for one in pooled)
    with Image.open(root / "dog" / "003.png") as opened:
        np.testing.assert_array_equal(again.transform([opened]), row)
    with pytest.raises(DataError, match=r"\(height, width\)"):
        again.transform([np.zeros(4)])


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path, count=2)
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"pip install 'archloom\[images\]'"):
        load(tmp_path)


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="A folder of data holds"):
        load(tmp_path)
    (tmp_path / "a").mkdir()
    pictures(tmp_path / "b", 4, (4, 4))
    pictures(tmp_path / "c", 4, (4, 4))
    assert "The folder" in load(tmp_path, valid=0.25).notices[0]
    with pytest.raises(DataError, match="an image alone"):
        load(tmp_path / "b" / "000.png")
