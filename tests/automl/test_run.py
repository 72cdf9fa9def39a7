"""The run behind a door: record, resume, refine, Ctrl-C, files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
import yaml
from tests.automl.conftest import QUICK

from archloom import Study
from archloom.automl import AutoModel, ImageClassifier, SeriesClassifier, TableClassifier
from archloom.config import checked_config, make_experiment
from archloom.errors import ConfigError, DataError, RunChanged, RunError
from archloom.journal import JOURNAL_FILE, Finished
from archloom.task import digits, from_arrays

TWO = {**QUICK, "trials": 2}


def test_attributes_after_fit(squares: Any) -> None:
    X, y = squares
    door = ImageClassifier(**TWO).fit(X, y)
    board = door.leaderboard()
    assert board["rank"].tolist() == list(range(1, len(board) + 1))
    assert board["accuracy"].is_monotonic_decreasing
    assert len(door.study_.trials("search")) == 2
    assert door.threshold_ == 0.5
    assert door.settings_["trials"] == 2


def test_report_and_export(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    door = ImageClassifier(**QUICK).fit(X, y)
    assert door.report(tmp_path / "r.html").read_text().startswith("<!")
    assert door.export(tmp_path / "deep" / "model.pt").is_file()
    assert door.export(tmp_path / "model", format="pt2").name == "model.pt2"
    with pytest.raises(ConfigError, match="did you mean 'onnx'"):
        door.export(tmp_path / "model.onx")


def test_a_temporary_run_goes_with_its_door(squares: Any) -> None:
    door = ImageClassifier(**QUICK).fit(*squares)
    folder = door.experiment_.folder
    assert (folder / JOURNAL_FILE).is_file()
    del door
    assert not folder.exists()


def test_a_folder_is_used_once_unless_resumed(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    door = ImageClassifier(**TWO, folder=tmp_path / "run").fit(X, y)
    events = Study.open(tmp_path / "run").events
    with pytest.raises(RunError, match="resume=True"):
        ImageClassifier(**TWO, folder=tmp_path / "run").fit(X, y)
    again = ImageClassifier(**TWO, folder=tmp_path / "run", resume=True).fit(X, y)
    assert Study.open(tmp_path / "run").events == events
    assert (again.predict_proba(X) == door.predict_proba(X)).all()
    with pytest.raises(RunChanged, match="with the data that it began with"):
        ImageClassifier(**TWO, folder=tmp_path / "run", resume=True).fit(X[:40], y[:40])


def interrupt_at(finished: int) -> Any:
    """Press Ctrl-C when so many trials have ended."""

    def progress(event: Any, study: Study) -> None:
        ended = sum(trial.state.ended for trial in study.trials())
        if isinstance(event, Finished) and ended == finished:
            raise KeyboardInterrupt

    return progress


def test_ctrl_c_keeps_the_best_so_far_and_resume_goes_on(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    settings = {**QUICK, "trials": 4, "folder": tmp_path / "run"}
    door = ImageClassifier(**{**settings, "progress": interrupt_at(2)})
    with pytest.warns(UserWarning, match="best model found so far is kept"):
        door.fit(X, y)
    assert len(door.study_) == 2
    assert door.predict(X).shape == y.shape
    assert "Ctrl-C" in door.notices_[0]
    whole = ImageClassifier(**settings, resume=True).fit(X, y)
    assert len(whole.study_.trials("search")) == 4


def test_ctrl_c_before_anything_was_trained_goes_on(squares: Any) -> None:
    def progress(event: Any, study: Study) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ImageClassifier(**{**QUICK, "progress": progress}).fit(*squares)


def test_refine_goes_on_with_the_same_run(squares: Any) -> None:
    X, y = squares
    door = ImageClassifier(**TWO).fit(X, y)
    assert door.refine(trials=2) is door
    assert len(door.study_.trials("search")) == 4
    assert len(door.refine(minutes=0.02).study_.trials("search")) > 4
    with pytest.raises(ConfigError, match="one of them"):
        door.refine()


def test_a_pickled_door_predicts_without_its_run(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    door = ImageClassifier(**QUICK).fit(X, y)
    before = door.predict_proba(X)
    joblib.dump(door, tmp_path / "door.joblib")
    folder = door.experiment_.folder
    del door
    assert not folder.exists()
    loaded = joblib.load(tmp_path / "door.joblib")
    assert (loaded.predict_proba(X) == before).all()
    assert len(loaded.leaderboard()) == 1
    with pytest.raises(RunError, match="resume=True"):
        loaded.refine(trials=1)


def test_the_settings_as_yaml_make_the_same_search(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    np.savez(tmp_path / "d.npz", train_images=X, train_labels=(y == "left").astype(int))
    door = AutoModel(**TWO).fit(tmp_path / "d.npz")
    settings = yaml.safe_load(door.to_yaml())
    assert settings["data"]["name"] == "npz"
    twin = make_experiment(
        checked_config({**settings, "out": str(tmp_path / "run")}), progress=False
    )
    study = twin.run()
    assert [t.metrics["loss"] for t in study.trials()] == [
        t.metrics["loss"] for t in door.study_.trials()
    ]
    in_memory = TableClassifier(**QUICK).fit(X.reshape(80, -1), y).to_yaml()
    assert "data" not in yaml.safe_load(in_memory)
    assert "handed over in memory" in in_memory


def test_a_path_a_name_or_a_task(tmp_path: Path, squares: Any) -> None:
    X, y = squares
    door = ImageClassifier(**QUICK).fit("digits")
    assert door.predict(np.zeros((3, 8, 8))).shape == (3,)
    assert not door.study_.notes("test-access")
    assert ImageClassifier(**QUICK).fit(digits()).classes_.tolist() == list(range(10))
    with pytest.raises(DataError, match="kind 'image'"):
        SeriesClassifier(**QUICK).fit("digits")
    np.savez(tmp_path / "d.npz", train_images=X, train_labels=(y == "left").astype(int))
    good = {**QUICK, "epochs": 12}
    assert ImageClassifier(**good).fit(tmp_path / "d.npz").score(X, y == "left") > 0.9
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["a,b,kind", *(f"{i},{i % 3},{'xy'[i % 2]}" for i in range(40))]))
    door = TableClassifier(**{**QUICK, "space": "table_net"}).fit(table, "kind")
    assert door.classes_.tolist() == ["x", "y"]
    with pytest.raises(ConfigError, match="name of the target"):
        TableClassifier(**QUICK).fit(table, [0, 1])


@pytest.mark.slow
def test_little_time_gives_a_trained_model_and_says_what_is_missing(squares: Any) -> None:
    X, y = squares
    settings = {"minutes": 0.05, "progress": False}
    door = ImageClassifier(**settings).fit(X, y)
    assert door.predict(X).shape == y.shape
    assert any("tried" in notice or "time" in notice for notice in door.notices_)


def test_the_same_seed_gives_the_same_model(rng: np.random.Generator) -> None:
    X = rng.normal(size=(60, 3))
    first, second = (TableClassifier(**TWO, seed=3).fit(X, X[:, 0] > 0) for _ in range(2))
    assert (first.predict_proba(X) == second.predict_proba(X)).all()


def test_an_exported_model_needs_only_torch(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    door = ImageClassifier(**{**QUICK, "ensemble": True, "trials": 2}).fit(X, y)
    door.export(tmp_path / "model.pt")
    np.save(tmp_path / "x.npy", X[:5, None].astype(np.float32))
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("archloom", "sklearn")):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy, torch
model = torch.load("model.pt", weights_only=False)
assert model.archloom["kind"] == "image"
numpy.save("y.npy", model(torch.from_numpy(numpy.load("x.npy"))).detach().numpy())
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    logits = torch.from_numpy(np.load(tmp_path / "y.npy"))
    assert np.allclose(logits.softmax(1), door.predict_proba(X[:5]), atol=1e-5)


def test_a_task_of_several_inputs_needs_an_encoder() -> None:
    X = (np.zeros((20, 3), dtype=np.float32), np.ones((20, 2), dtype=np.float32))
    task = from_arrays(X, [0, 1] * 10, valid=0.2)
    with pytest.raises(DataError, match="need an encoder"):
        AutoModel(**{**QUICK, "space": "mixed_net"}).fit(task)
