"""Every kind of input and of target: what goes in comes back in its own form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.automl.conftest import QUICK

from archloom.automl import (
    AutoModel,
    ImageClassifier,
    ImageRegressor,
    SeriesClassifier,
    SeriesRegressor,
    TableClassifier,
    TableRegressor,
    TextClassifier,
)
from archloom.errors import ConfigError, InputError

GOOD = {**QUICK, "epochs": 12}


def test_text_labels_come_back_as_they_were_given(squares: Any) -> None:
    X, y = squares
    door = ImageClassifier(**GOOD).fit(X, y)
    assert door.classes_.tolist() == ["left", "right"]
    assert door.predict(X).dtype == y.dtype
    assert door.score(X, y) == 1.0
    chances = door.predict_proba(X)
    assert chances.shape == (80, 2)
    assert np.allclose(chances.sum(1), 1)
    assert (door.classes_[chances.argmax(1)] == door.predict(X)).all()


def test_the_model_is_plain_torch_and_takes_raw_inputs(squares: Any) -> None:
    X, y = squares
    door = ImageClassifier(**GOOD).fit(X, y)
    logits = door.model_(torch.from_numpy(X)[:, None])
    assert np.allclose(logits.softmax(1).detach(), door.predict_proba(X), atol=1e-5)
    assert not any(type(m).__module__.startswith("archloom") for m in door.model_.modules())


@pytest.mark.parametrize("values", [[3, 5], [True, False], [0.0, 1.0], ["no", "yes"]])
def test_classes_of_any_type(squares: Any, values: list[Any]) -> None:
    X, y = squares
    given = np.array(values)[(y == "left").astype(int)]
    door = ImageClassifier(**QUICK).fit(X, given)
    assert set(door.predict(X)) <= set(values)
    assert door.predict(X).dtype == given.dtype


def test_several_labels_by_the_shape_of_the_targets(squares: Any) -> None:
    X, y = squares
    Y = np.stack([y == "left", X.mean((1, 2)) > X.mean(), np.arange(80) < 30], 1).astype(int)
    door = ImageClassifier(**GOOD).fit(X, Y)
    assert door.predict(X).shape == (80, 3)
    assert set(np.unique(door.predict(X))) <= {0, 1}
    assert door.predict_proba(X).shape == (80, 3)
    assert (door.predict(X)[:, 0] == Y[:, 0]).all()


def test_labels_that_exclude_each_other_are_noticed(squares: Any) -> None:
    X, y = squares
    Y = np.stack([y == "left", y == "right"], 1).astype(int)
    assert "argmax" in ImageClassifier(**QUICK).fit(X, Y).notices_[0]


def test_numbers_keep_their_form_and_unit(rng: np.random.Generator) -> None:
    X = rng.normal(size=(120, 3))
    y = 1000 + 50 * X[:, 0]
    door = TableRegressor(**{**QUICK, "epochs": 40}).fit(X, y)
    assert door.predict(X).shape == (120,)
    assert abs(door.predict(X).mean() - 1000) < 25
    assert door.score(X, y) > 0.7
    raw = door.model_(door.encoder_.transform(X))
    assert np.allclose(raw.detach()[:, 0], door.predict(X), rtol=1e-4)
    both = TableRegressor(**QUICK).fit(X, np.stack([y, -y], 1))
    assert both.predict(X).shape == (120, 2)


def test_numbers_from_images(squares: Any) -> None:
    X, _ = squares
    door = ImageRegressor(**QUICK).fit(X, X[:, 0, 0].astype(float))
    assert door.predict(X[:7]).shape == (7,)


def test_volumes_are_images_with_an_axis_more(rng: np.random.Generator) -> None:
    X = rng.normal(size=(40, 1, 4, 5, 6))
    X[::2] += 2
    y = np.arange(40) % 2
    assert ImageClassifier(**GOOD).fit(X, y).score(X, y) == 1.0
    door = ImageClassifier(**GOOD, layout="NDHW").fit(X[:, 0], y)
    assert door.experiment_.task.kind == "volume"


def test_series_of_one_length_and_of_different_ones(rng: np.random.Generator) -> None:
    X = rng.normal(size=(60, 12))
    X[::2] += 2
    y = np.arange(60) % 2
    assert SeriesClassifier(**GOOD).fit(X, y).score(X, y) > 0.9
    lists = [row[: 6 + index % 6] for index, row in enumerate(X)]
    door = SeriesClassifier(**GOOD).fit(lists, y)
    assert door.score(lists, y) > 0.8
    assert door.predict([np.ones(3)]).shape == (1,)


def test_series_with_facts_beside_them(rng: np.random.Generator) -> None:
    X = {"series": rng.normal(size=(60, 2, 8)), "static": rng.normal(size=(60, 2))}
    door = SeriesRegressor(**{**QUICK, "space": None}).fit(X, X["static"][:, 0])
    assert door.predict(X).shape == (60,)


def test_a_frame_with_text_dates_and_gaps(rng: np.random.Generator) -> None:
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, 60),
            "colour": ["red", "green", "blue"] * 20,
            "seen": pd.date_range("2024-01-01", periods=60),
        }
    )
    frame.loc[3, "age"] = np.nan
    y = frame["colour"] == "red"
    door = TableClassifier(**{**QUICK, "space": "table_net"}).fit(frame, y)
    assert door.feature_names_in_.tolist() == ["age", "colour", "seen"]
    assert any("missing" in notice for notice in door.notices_)
    assert door.predict(frame.iloc[:5]).dtype == bool
    with pytest.raises(ValueError, match="feature names should match"):
        door.predict(frame.rename(columns={"age": "years"}))


def test_a_table_as_columns_or_as_rows() -> None:
    columns = {"a": [1.0, 2.0, 3.0, 4.0] * 10, "b": ["x", "y", None, "x"] * 10}
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    y = [0, 1] * 20
    settings = {**QUICK, "space": "table_net"}
    first = TableClassifier(**settings).fit(columns, y).predict_proba(columns)
    second = TableClassifier(**settings).fit(rows, y).predict_proba(rows)
    assert np.allclose(first, second)


def test_texts() -> None:
    texts = ["a fine day", "what a bad film", "fine fine film", "bad day"] * 15
    y = ["good", "bad"] * 30
    door = TextClassifier(**{**GOOD, "space": "text_net"}).fit(texts, y)
    assert door.score(texts, y) == 1.0
    assert door.predict(["fine", "never seen"])[0] == "good"


def test_several_inputs_and_targets_of_all_kinds(rng: np.random.Generator) -> None:
    sides = np.arange(60) % 2
    X = {
        "picture": (rng.random((60, 6, 7)) * 99 + 99 * sides[:, None, None]).astype(np.uint8),
        "facts": pd.DataFrame({"a": rng.normal(size=60), "b": ["u", "v", "w"] * 20}),
        "words": ["good fine day", "bad awful rain"] * 30,
        "signal": rng.normal(size=(60, 2, 9)),
    }
    y = {
        "side": np.array(["left", "right"])[sides],
        "size": 100 + 10.5 * sides,
        "tags": np.stack([sides, 1 - sides, sides], 1),
    }
    door = AutoModel(**{**GOOD, "space": None}, kinds={"signal": "series"}).fit(X, y)
    said = door.predict(X)
    assert {name: part.shape for name, part in said.items()} == {
        "side": (60,),
        "size": (60,),
        "tags": (60, 3),
    }
    assert set(door.predict_proba(X)) == {"side", "tags"}
    assert door.predict_proba(X)["side"].shape == (60, 2)
    assert door.score(X, y) > 0.5
    few = {name: part[:4] for name, part in X.items()}
    assert all(len(part) == 4 for part in door.predict(few).values())
    with pytest.raises(InputError, match="inputs must be those of the training data"):
        door.predict({"picture": X["picture"]})


def test_auto_model_of_one_input_and_one_target(rng: np.random.Generator) -> None:
    X = rng.normal(size=(60, 3))
    door = AutoModel(**{**QUICK, "space": "mixed_net"}).fit(X, X[:, 0])
    assert door.predict(X).shape == (60,)
    assert not hasattr(door, "predict_proba")
    door = AutoModel(**{**QUICK, "space": "mixed_net"}).fit((X, X), X[:, 0] > 0)
    assert door.predict_proba((X, X)).shape == (60, 2)
    with pytest.raises(ConfigError, match="did you mean 'x1'"):
        AutoModel(**QUICK, kinds={"x_1": "table"}).fit((X, X), X[:, 0])


def test_validation_data_are_what_is_judged_by(squares: Any) -> None:
    X, y = squares
    flipped = np.where(y == "left", "right", "left")
    door = ImageClassifier(**GOOD).fit(X, y, validation_data=(X[:20], flipped[:20]))
    task = door.experiment_.task
    assert (len(task.train), len(task.valid)) == (80, 20)
    assert door.leaderboard()["accuracy"][0] < 0.2


def test_given_validation_data_are_not_cross_validated(squares: Any) -> None:
    X, y = squares
    settings = {**QUICK, "folds": "auto", "space": "mlp", "epochs": 1}
    assert ImageClassifier(**settings).fit(X, y).settings_["folds"] == 5
    door = ImageClassifier(**settings).fit(X, y, validation_data=(X[:20], y[:20]))
    assert door.settings_["folds"] is None


def test_groups_stay_together(squares: Any) -> None:
    X, y = squares
    X = X.copy()
    patients = np.arange(80) // 4
    X[:, 0, 0] = patients
    task = ImageClassifier(**QUICK).fit(X, y, groups=patients).experiment_.task
    train, valid = (set(s.inputs[:, 0, 0, 0].tolist()) for s in (task.train, task.valid))
    assert valid
    assert not train & valid


def test_class_weights_and_threshold(rng: np.random.Generator) -> None:
    X = rng.normal(size=(200, 2))
    y = np.where(X[:, 0] + rng.normal(size=200) > 1.5, "ill", "well")
    plain = TableClassifier(**GOOD).fit(X, y)
    weighted = TableClassifier(**GOOD, class_weights={"ill": 9.0}).fit(X, y)
    assert (weighted.predict(X) == "ill").sum() > (plain.predict(X) == "ill").sum()
    strict = TableClassifier(**GOOD, threshold=0.999).fit(X, y)
    assert (strict.predict(X) == "ill").all()  # "well" is the second class
    tuned = TableClassifier(**GOOD, threshold="balanced_accuracy").fit(X, y)
    assert 0 < tuned.threshold_ < 1
    assert tuned.threshold_ != 0.5
    folds = {**GOOD, "folds": 3, "ensemble": {"top": 2}, "trials": 2, "epochs": 4}
    crossed = TableClassifier(**folds, threshold="f1").fit(X, y)
    assert 0 < crossed.threshold_ < 1
    assert crossed.settings_["ensemble"]["threshold"] is None
    with pytest.raises(ConfigError, match="threshold"):
        TableClassifier(**QUICK, threshold=3).fit(X, y)
