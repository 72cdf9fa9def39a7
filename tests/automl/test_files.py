"""Model files: written by a door, read for predictions and judgements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.automl.conftest import QUICK

from archloom import automl
from archloom.automl import (
    AutoModel,
    ImageClassifier,
    SeriesClassifier,
    TableClassifier,
    TableRegressor,
    TextClassifier,
    evaluate_file,
    load_model_file,
    predictions,
    read_inputs,
)
from archloom.errors import ConfigError, DataError
from archloom.task import load, rebuild

NET = {**QUICK, "space": "table_net"}


def table(path: Path, rows: int, shift: int = 0) -> Path:
    lines = [f"{i % 9},{'ab'[i % 2]},{(i + shift) % 5 * 1.5},{'xy'[i % 2]}" for i in range(rows)]
    path.write_text("\n".join(["n,letter,z,kind", *lines]) + "\n")
    return path


def said(model: Path, *files: Path, **options: Any) -> list[list[Any]]:
    found = load_model_file(model)
    return list(predictions(found, read_inputs(found, files, **options)))


def test_a_model_file_predicts_as_its_door(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    door = ImageClassifier(**QUICK).fit(X, y)
    path = door.export(tmp_path / "m.pt")
    assert np.allclose(load_model_file(path).finished(X), door.predict_proba(X))
    np.save(tmp_path / "x.npy", X[:3])
    head, *rows = said(path, tmp_path / "x.npy")
    assert head == ["sample", "prediction", "p(left)", "p(right)"]
    assert [row[1] for row in rows] == door.predict(X[:3]).tolist()


def test_images_are_read_from_files(squares: Any, tmp_path: Path) -> None:
    from PIL import Image

    X, y = squares
    door = ImageClassifier(**QUICK).fit(X, y)
    path = door.export(tmp_path / "m.pt")
    (tmp_path / "new").mkdir()
    for index in range(3):
        Image.fromarray(X[index]).save(tmp_path / "new" / f"{index}.png")
    assert [row[1] for row in said(path, tmp_path / "new")[1:]] == door.predict(X[:3]).tolist()
    Image.fromarray(X[0, :4]).save(tmp_path / "small.png")
    with pytest.raises(DataError, match="shape"):
        said(path, tmp_path / "small.png")


def test_tables_texts_and_series_are_read_from_files(tmp_path: Path) -> None:
    door = TableClassifier(**NET).fit(table(tmp_path / "t.csv", 60), "kind")
    head, *rows = said(door.export(tmp_path / "t.pt"), tmp_path / "t.csv")
    assert head[1:] == ["prediction", "p(x)", "p(y)"]
    assert len(rows) == 60
    np.save(tmp_path / "t.npy", np.ones((2, 3)))
    with pytest.raises(DataError, match="CSV file with the columns letter, n, z"):
        said(tmp_path / "t.pt", tmp_path / "t.npy")
    (tmp_path / "names.csv").write_text("n,letter,z\n")
    with pytest.raises(DataError, match="holds no rows"):
        said(tmp_path / "t.pt", tmp_path / "names.csv")
    texts = ["a fine day", "what a bad film"] * 20
    door = TextClassifier(**{**QUICK, "space": "text_net"}).fit(texts, [0, 1] * 20)
    (tmp_path / "t.txt").write_text("fine film\nbad\n")
    path = door.export(tmp_path / "w.pt")
    assert len(said(path, tmp_path / "t.txt")) == 3
    (tmp_path / "texts.csv").write_text("said,n\nfine film,1\nso bad,2\n")
    assert len(said(path, tmp_path / "texts.csv", column="said")) == 3
    with pytest.raises(ConfigError, match="--column"):
        said(path, tmp_path / "texts.csv")
    X = np.random.default_rng(0).normal(size=(40, 9))
    door = SeriesClassifier(**QUICK).fit(X, X[:, 0] > 0)
    np.savez(tmp_path / "s.npz", a=X[:2], b=X[:5])
    path = door.export(tmp_path / "s.pt")
    assert len(said(path, tmp_path / "s.npz", key="b")) == 6
    with pytest.raises(DataError, match="--key"):
        said(path, tmp_path / "s.npz")


def test_labels_numbers_and_several_targets_as_rows(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.save(tmp_path / "x.npy", X[:2])
    Y = np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)
    door = TableClassifier(**QUICK).fit(X, Y)
    path = door.export(tmp_path / "m.pt")
    (tmp_path / "x.csv").write_text("1,2,3\n4,5,6\n")
    assert said(path, tmp_path / "x.csv")[0] == ["sample", "0", "1", "p(0)", "p(1)"]
    door = TableRegressor(**QUICK).fit(X, X[:, 0])
    rows = said(door.export(tmp_path / "r.pt"), tmp_path / "x.csv")
    assert rows[0] == ["sample", "prediction"]
    assert float(rows[1][1]) == pytest.approx(door.predict([[1, 2, 3]])[0], rel=1e-4)
    inputs = {"picture": np.ones((40, 5, 6), dtype=np.uint8), "facts": X, "words": ["a b"] * 40}
    several = AutoModel(**{**QUICK, "space": "mixed_net"})
    several.fit(inputs, {"side": X[:, 0] > 0, "size": X[:, 1]})
    found = load_model_file(several.export(tmp_path / "a.pt"))
    assert np.allclose(found.finished(inputs)[:, 2], several.predict(inputs)["size"])
    with pytest.raises(ConfigError, match="several inputs"):
        list(read_inputs(found, [tmp_path / "x.npy"]))


def test_judged_on_the_test_split_and_on_new_files(tmp_path: Path) -> None:
    door = ImageClassifier(**{**QUICK, "epochs": 8}).fit("digits")
    model = load_model_file(door.export(tmp_path / "d.pt"))
    scores, samples = evaluate_file(model, "digits")
    assert samples == 359
    assert scores["accuracy"] > 0.7
    assert evaluate_file(model, "digits", "all")[1] == 1797
    door = TableClassifier(**NET).fit(table(tmp_path / "t.csv", 60), "kind")
    model = load_model_file(door.export(tmp_path / "t.pt"))
    new = table(tmp_path / "new.csv", 30, shift=2)
    scores, samples = evaluate_file(model, new, "all")
    assert samples == 30
    assert 0 <= scores["accuracy"] <= 1
    with pytest.raises(DataError, match="no test split"):
        evaluate_file(model, tmp_path / "t.csv")
    with pytest.raises(DataError, match="--split all"):
        evaluate_file(model, new, "test", {"test": 0.3})


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no model file"):
        load_model_file(tmp_path / "gone.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(DataError, match="is no model file of archloom"):
        load_model_file(tmp_path / "text.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "plain.pt")
    with pytest.raises(DataError, match="holds no model"):
        load_model_file(tmp_path / "plain.pt")
    door = TableRegressor(**QUICK).fit([[1.0], [2.0], [3.0], [4.0]] * 5, [1.0, 2.0, 3.0, 4.5] * 5)
    path = door.export(tmp_path / "m.pt")
    with pytest.raises(DataError, match="no file or folder"):
        said(path, tmp_path / "gone.csv")
    cut = path.read_bytes()
    path.write_bytes(cut[: len(cut) // 2])
    with pytest.raises(DataError, match="is no model file of archloom"):
        load_model_file(path)


def advised(door: Any) -> Any:
    """Load the data as the comments of `to_yaml` say."""
    lines = door.to_yaml().splitlines()
    line = next(line for line in lines if line.startswith("# data: "))
    settings = yaml.safe_load(line.removeprefix("# "))["data"]
    return load(settings.pop("name"), **settings)


def make_series(rng: np.random.Generator, count: int = 60) -> np.ndarray:
    series = rng.normal(size=(count, 2, 12))
    series[::5, 1, 3] = np.nan
    return series


@pytest.mark.parametrize("kind", ["classes", "texts", "labels", "numbers"])
@pytest.mark.parametrize("form", ["images", "channels", "volumes", "series", "table"])
def test_data_saved_as_advised_are_the_same_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(60, 4))
    table[3, 1] = np.nan
    X: Any = {
        "images": rng.integers(0, 255, (60, 6, 7), dtype=np.uint8),
        "channels": rng.random((60, 6, 7, 3)),
        "volumes": rng.random((60, 4, 5, 6, 1)),
        "series": make_series(rng),
        "table": table,
    }[form]
    y: Any = {
        "classes": np.arange(60) % 3,
        "texts": np.array(["low", "high"] * 30, dtype=object),
        "labels": np.stack([np.arange(60) % 2, np.arange(60) % 3 // 2], 1),
        "numbers": np.arange(60) % 7,
    }[kind]
    doors = {"series": "Series", "table": "Table"}
    name = f"{doors.get(form, 'Image')}{'Regressor' if kind == 'numbers' else 'Classifier'}"
    weights = "balanced" if kind == "classes" else None
    settings = {**QUICK, "epochs": 1, "seed": 3, "class_weights": weights}
    groups = np.arange(60) // 2 if kind == "texts" else None
    door = getattr(automl, name)(**settings).fit(X, y, groups=groups)
    text = door.to_yaml()
    assert ("dtype=str" in text) == (kind == "texts")
    assert ("groups=groups" in text) == (kind == "texts")
    saved = {"X": X, "y": y.astype(str) if kind == "texts" else y}
    np.savez("my_data.npz", **saved, **({} if groups is None else {"groups": groups}))
    task = advised(door)
    assert task.fingerprint == door.experiment_.task.fingerprint
    assert task.target == door.experiment_.task.target
    assert task.augment_ops == door.experiment_.task.augment_ops
    assert rebuild(task.source).fingerprint == task.fingerprint


def test_validation_data_are_saved_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X, X_val = rng.normal(size=(40, 3)), rng.normal(size=(10, 3))
    y, y_val = X[:, 0] > 0, X_val[:, 0] > 0
    door = TableClassifier(**QUICK).fit(X, y, validation_data=(X_val, y_val))
    assert "X_val=X_val, y_val=y_val" in door.to_yaml()
    np.savez("my_data.npz", X=X, y=y, X_val=X_val, y_val=y_val)
    assert advised(door).fingerprint == door.experiment_.task.fingerprint


def test_what_is_no_array_is_advised_to_be_something_else() -> None:
    texts = TextClassifier(**{**QUICK, "space": "text_net"}).fit(["a b", "c d"] * 20, [0, 1] * 20)
    assert "# data: {name: text, texts: my_data.csv, text: COLUMN" in texts.to_yaml()
    rows = TableClassifier(**NET).fit({"n": list(range(9)) * 4, "m": [1.5, 2.0] * 18}, [0, 1] * 18)
    assert "# data: {name: table, path: my_data.csv, target: COLUMN}" in rows.to_yaml()
    ragged = SeriesClassifier(**QUICK).fit([np.arange(5.0 + i % 3) for i in range(40)], [0, 1] * 20)
    assert "archloom.data" in ragged.to_yaml()
    assert yaml.safe_load(ragged.to_yaml())["trials"] == 1


def test_doors_take_files_of_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = make_series(rng), np.array(["up", "down"] * 30)
    path = tmp_path / "s.npz"
    np.savez(path, X=X, y=y, X_test=X[:9], y_test=y[:9])
    door = SeriesClassifier(**QUICK).fit(path)
    model = load_model_file(door.export(tmp_path / "s.pt"))
    assert len(said(tmp_path / "s.pt", path)) == 61
    assert evaluate_file(model, path)[1] == 9
    assert evaluate_file(model, path, "all")[1] == 69
    rows = np.round(rng.normal(size=(60, 4)), 2)
    rows[0, 0] = np.nan
    path = tmp_path / "t.npz"
    np.savez(path, X=rows, y=y)
    table = AutoModel(**QUICK).fit(path)
    assert table.encoder_.notices[0].startswith("1 missing value")
    model = load_model_file(table.export(tmp_path / "t.pt"))
    predicted = [row[1] for row in said(tmp_path / "t.pt", path)[1:]]
    assert predicted == [str(kind) for kind in table.predict(rows)]
    scores, samples = evaluate_file(model, path, "all")
    assert samples == 60
    assert scores["accuracy"] == pytest.approx(np.mean(np.array(predicted) == y))
