"""What a user is told: of distilled networks, of data of another scale, of files to predict."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.automl.conftest import QUICK

from archloom import Architecture, Ensemble, State, Study
from archloom.automl import (
    AutoModel,
    ImageClassifier,
    SeriesClassifier,
    TableClassifier,
    load_model_file,
)
from archloom.automl._notices import not_done
from archloom.errors import DataError, InputError
from archloom.journal import Event, Finished, Noted, Started

# -- distillation --------------------------------------------------------------------------------


@dataclass
class Stages:
    """All of an experiment that notices look at."""

    stages: tuple[Any, ...]


def distilled(
    pupil: float | None, *, kept: int, used: bool = True, objective: str = "max accuracy"
) -> list[str]:
    """Notices of a run whose ensemble has 0.9, with a pupil of that score, and what was kept."""
    name, architecture = objective.split()[1], Architecture({"width": 3})
    crossed = {} if used else {"folds": 5.0}
    note = {"stage": "ensemble", "number": 0, "used": used, "members": [0, 1]}
    teacher = 2 if used else 0
    events: list[Event] = [Noted("experiment", {"objectives": [objective]})]
    for number, score in ((0, 0.8 if used else 0.9), (1, 0.7)):
        events += [Started(number, "search", architecture, 0)]
        events += [Finished(number, State.DONE, {name: score, **crossed})]
    events += [Noted("ensemble", note)]
    events += [Started(2, "ensemble" if used else "retrain", architecture, 0, parent=0)]
    events += [Finished(2, State.DONE, {name: 0.9 if used else 0.1})]
    events += [Started(3, "distill", architecture, 0, parent=teacher)]
    if pupil is None:
        events += [Finished(3, State.FAILED, {}, error="Diverged: the loss became NaN.")]
    else:
        events += [Finished(3, State.DONE, {name: pupil})]
    events += [Noted("best", {"trial": kept, "folder": "best"})]
    experiment: Any = Stages((Ensemble(distill=True),))
    return not_done(experiment, Study.of(events), interrupted=False, timed=False)


def test_a_distilled_network_that_is_worse_comes_with_both_figures() -> None:
    [notice] = distilled(0.85, kept=3)
    assert "the distilled network (trial 3) has accuracy 0.85 on validation data" in notice
    assert "the ensemble (trial 2) 0.9." in notice
    assert "distill=False keeps" in notice


@pytest.mark.parametrize("score", [0.9, 0.95])
def test_a_distilled_network_that_is_as_good_needs_no_notice(score: float) -> None:
    assert distilled(score, kept=3) == []


def test_worse_is_judged_by_the_direction_of_the_objective() -> None:
    assert distilled(0.85, kept=3, objective="min rmse") == []
    [notice] = distilled(0.95, kept=3, objective="min rmse")
    assert "has rmse 0.95" in notice


def test_another_single_network_that_was_kept_is_compared_too() -> None:
    [notice] = distilled(0.75, kept=0)
    assert "the best single network (trial 0) has accuracy 0.8 " in notice


def test_the_folds_of_one_trial_are_an_ensemble_too() -> None:
    [notice] = distilled(0.85, kept=3, used=False)
    assert "the ensemble (trial 0) 0.9 by out-of-fold predictions." in notice


def test_a_distillation_that_failed_is_told() -> None:
    [notice] = distilled(None, kept=2)
    assert "distillation failed. Diverged: the loss became NaN." in notice


def test_the_door_says_what_its_small_file_costs(squares: Any) -> None:
    X, y = squares
    rng = np.random.default_rng(1)
    noisy = np.where(rng.random(len(y)) < 0.2, "left", y)
    settings = {**QUICK, "trials": 3, "epochs": 6, "folds": 3, "ensemble": "auto", "distill": True}
    door = ImageClassifier(**settings).fit(X, noisy)
    best = door.study_.note("best")
    assert best is not None
    kept = door.study_[best["trial"]]
    [pupil] = door.study_.trials("distill")
    teacher = door.study_[pupil.parent]
    mine, theirs = kept.metrics["accuracy"], teacher.metrics["accuracy"]
    told = [notice for notice in door.notices_ if "One network was asked for" in notice]
    assert len(told) == (kept.number != teacher.number and mine < theirs)
    assert all(f"{mine:.4g}" in notice and f"{theirs:.4g}" in notice for notice in told)


# -- data of another scale -----------------------------------------------------------------------


def test_images_of_another_scale_at_predict(squares: Any, tmp_path: Path) -> None:
    X, y = squares
    door = ImageClassifier(**QUICK).fit(X, y)
    model = load_model_file(door.export(tmp_path / "m.pt"))
    both = rf"from 0 to {X.max() / 255:.4g}, .* fitted to values from 0 to {X.max()}: is it another"
    with pytest.warns(UserWarning, match=both):
        door.predict(X / 255)
    with pytest.warns(UserWarning, match=both):
        model.finished(X / 255)
    with pytest.warns(UserWarning, match="is it another scale"):
        ImageClassifier(**QUICK).fit(X * 1.0, y, validation_data=(X[:9] / 255, y[:9]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for index in range(len(X)):
            door.predict(X[index : index + 1])
        door.predict_proba(X[:20].astype(float))


def test_other_inputs_of_another_scale(squares: Any) -> None:
    X, y = squares
    rng = np.random.default_rng(0)
    facts = {"height": rng.normal(170, 9, len(y)), "age": rng.integers(20, 60, len(y))}
    several = AutoModel(**{**QUICK, "space": "mixed_net"}).fit({"picture": X, "facts": facts}, y)
    with pytest.warns(UserWarning, match="X holds values from 0 to 0"):
        several.predict({"picture": X / 255, "facts": facts})
    metres = {**facts, "height": facts["height"] / 100}
    with pytest.warns(UserWarning, match="Column 'height' holds values from 1"):
        several.predict({"picture": X, "facts": metres})
    table = TableClassifier(**{**QUICK, "space": "table_net"}).fit(facts, y)
    with pytest.warns(UserWarning, match="Column 'height'"):
        table.predict(metres)
    series = SeriesClassifier(**QUICK).fit(X[:, 0].astype(float), y)
    with pytest.warns(UserWarning, match="X holds values"):
        series.predict(X[:, 0] * 1000.0)
    door = ImageClassifier(**QUICK).fit("digits")
    with pytest.warns(UserWarning, match="fitted to values from 0 to 16"):
        door.predict(rng.random((3, 8, 8)) * 255)


# -- files to predict for ------------------------------------------------------------------------


def test_missing_and_broken_files_at_predict(squares: Any, tmp_path: Path) -> None:
    from PIL import Image

    X, y = squares
    for index in range(20):
        place = tmp_path / "data" / str(y[index])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(X[index]).save(place / f"{index}.png")
    door = ImageClassifier(**QUICK).fit(tmp_path / "data")
    assert door.predict([place / f"{index}.png"]).shape == (1,)
    with pytest.raises(InputError, match=r"no file .*gone\.png\. Get the file again, or leave it"):
        door.predict([tmp_path / "gone.png"])
    cut = tmp_path / "cut.png"
    cut.write_bytes((place / f"{index}.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"cut\.png is broken.*Get the file again"):
        door.predict([cut])
