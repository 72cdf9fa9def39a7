"""archloom fit, predict and evaluate from outside, as a user meets them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}
QUICK = ["--minutes", "0.3", "--trials", "1", "--epochs", "8", "--quiet"]


def archloom(folder: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "archloom", *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, f"{words}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds images with splits, and a model fitted to them."""
    path = tmp_path_factory.mktemp("fit")
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 60), ("val", 20), ("test", 20)):
        labels = np.arange(count) % 2
        images = rng.integers(0, 90, (count, 6, 7), dtype=np.uint8)
        images[labels == 1, :3] += 150
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    np.savez(path / "bars.npz", **arrays, class_names=np.array(["dark", "light"]))
    words = ["fit", "bars.npz", "-o", "bars.pt", "--space", "mlp", *QUICK]
    done = archloom(path, *words)
    assert "leaderboard" in done.stdout
    assert "archloom predict bars.pt" in done.stdout
    return path


@pytest.mark.slow
def test_predict_writes_a_row_a_sample(folder: Path) -> None:
    images = np.load(folder / "bars.npz")["test_images"]
    np.save(folder / "new.npy", images)
    archloom(folder, "predict", "bars.pt", "new.npy", "-o", "out.csv")
    rows = list(csv.DictReader((folder / "out.csv").read_text().splitlines()))
    assert len(rows) == 20
    assert list(rows[0]) == ["sample", "prediction", "p(dark)", "p(light)"]
    assert [row["prediction"] for row in rows[:4]] == ["dark", "light"] * 2
    printed = archloom(folder, "predict", "bars.pt", "bars.npz", "--key", "val_images").stdout
    assert len(printed.splitlines()) == 21


@pytest.mark.slow
def test_evaluate_opens_the_test_split_and_says_so(folder: Path) -> None:
    done = archloom(folder, "evaluate", "bars.pt", "bars.npz", "--json", "scores.json")
    assert "accuracy" in done.stdout
    assert "evaluate once" in done.stderr
    record = json.loads((folder / "scores.json").read_text())
    assert record["samples"] == 20
    assert record["metrics"]["accuracy"] > 0.9
    assert (
        "100 samples"
        in archloom(folder, "evaluate", "bars.pt", "bars.npz", "--split", "all").stdout
    )


@pytest.mark.slow
def test_a_table_from_fit_to_predict(tmp_path: Path) -> None:
    rows = [f"{i % 7};{'ab'[i % 2]};{i * 1.5}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["n;letter;size", *rows]) + "\n")
    words = ["fit", "t.csv", "--target", "size", "-o", "t.pt", "--folder", "run", *QUICK]
    hints = archloom(tmp_path, *words).stdout
    assert "archloom evaluate t.pt NEW_FILE --split all" in hints
    assert "notice:" not in hints
    assert (tmp_path / "run" / "journal.sqlite").is_file()
    (tmp_path / "new.csv").write_text("n;letter\n3;a\n4;b\n")
    printed = archloom(tmp_path, "predict", "t.pt", "new.csv").stdout.splitlines()
    assert printed[0] == "sample,prediction"
    assert len(printed) == 3
    (tmp_path / "keep.csv").write_text("mine")
    (tmp_path / "bad.csv").write_text("letter\na\nb\n")
    for name, more in (("bad.csv", ["--yes"]), ("new.csv", [])):
        archloom(tmp_path, "predict", "t.pt", name, "-o", "keep.csv", *more, expect=2)
        assert (tmp_path / "keep.csv").read_text() == "mine"
    assert archloom(tmp_path, "predict", "t.pt", "bad.csv", expect=2).stdout == ""
    assert not list(tmp_path.glob("*.part"))
    archloom(tmp_path, "predict", "t.pt", "new.csv", "-o", "keep.csv", "--overwrite")
    assert (tmp_path / "keep.csv").read_text().splitlines() == printed


@pytest.mark.slow
def test_a_table_of_texts_from_fit_to_evaluate(tmp_path: Path) -> None:
    rows = [f"{('a fine day', 'so bad a film')[i % 2]} {i},{'xy'[i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["said,v", *rows]) + "\n")
    words = ["fit", "t.csv", "--target", "v", "--kind", "text", "--set", "test=0.2", "-o", "t.pt"]
    hints = archloom(tmp_path, *words, *QUICK).stdout
    assert "archloom evaluate t.pt t.csv\n" in hints
    assert "12 samples" in archloom(tmp_path, "evaluate", "t.pt", "t.csv").stdout
    printed = archloom(tmp_path, "predict", "t.pt", "t.csv").stdout.splitlines()
    assert [line.split(",")[1] for line in printed[1:]] == ["x", "y"] * 30


@pytest.mark.slow
def test_pictures_of_another_size_and_broken_ones_are_named(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(20):
            pixels = rng.integers(0, 90, (9, 8), dtype=np.uint8) + (120 if name == "light" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "set" / name / f"{index}.png")
    archloom(tmp_path, "fit", "set", "-o", "s.pt", "--space", "mlp", *QUICK)
    Image.fromarray(rng.integers(0, 255, (40, 30), dtype=np.uint8)).save(tmp_path / "big.png")
    done = archloom(tmp_path, "predict", "s.pt", "big.png", "set/dark/0.png")
    assert "big.png was stretched from 30x40 to 8x9" in done.stderr
    assert "0.png" not in done.stderr
    data = (tmp_path / "big.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    error = archloom(tmp_path, "predict", "s.pt", "cut.png", expect=2).stderr
    assert "DataError: cut.png is broken: image file is truncated." in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "digit"], "did you mean 'digits'"),
        (["fit", "gone.csv"], "no file or folder"),
        (["fit", "digits", "--minutes", "0"], "--minutes"),
        (["fit", "digits", "-o", "there.pt"], "--yes"),
        (["fit", "digits", "-o", "model.onnx"], "ends in .pt"),
        (["fit", "digits", "--set", "valid"], "NAME=VALUE"),
        (["fit", "digits", "--set", "vaild=0.2"], "did you mean 'valid'"),
        (["fit", "digits", "--space", "mpl"], "did you mean 'mlp'"),
        (["predict", "there.pt", "x.npy"], "is no model file of archloom: it is a text file"),
        (["predict", "gone.pt", "x.npy"], "no model file"),
        (["evaluate", "gone.pt", "digits"], "no model file"),
        (["fit", "t.csv"], "--target COLUMN"),
        (["search", "--data", "t.csv"], "data: {name: table, path: ..., target: ...}"),
        (["fit", "t.csv", "--target", "v", "--kind", "image"], "--kind table or text"),
        (["fit", "t.csv", "--target", "v", "--kind", "text"], "--set text=COLUMN"),
        (["fit", "names.csv", "--target", "v"], "holds no rows"),
        (["fit", "t.csv", "--target", "v", "--folder", "run"], "pass --resume"),
        (["predict", "there.pt", "x.npy", "-o", "there.pt"], "--yes"),
    ],
)
def test_mistakes_are_named_with_the_mend(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "there.pt").write_text("no model")
    (tmp_path / "t.csv").write_text("v,a,b\nx,one,two\ny,three,four\n")
    (tmp_path / "names.csv").write_text("v,a,b\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "journal.sqlite").touch()
    assert message in archloom(tmp_path, *words, expect=2).stderr


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_help_warns_of_model_files_of_others(tmp_path: Path, command: str) -> None:
    assert "only model files you trust" in archloom(tmp_path, command, "--help").stdout
