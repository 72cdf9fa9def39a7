"""What a new user meets: lone inputs, wrong settings, bad rows, offsets, runs gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.automl.conftest import QUICK

from archloom.automl import (
    AutoModel,
    ImageClassifier,
    SeriesClassifier,
    TableClassifier,
    TableRegressor,
    TextClassifier,
)
from archloom.automl._notices import not_done
from archloom.automl._run import further
from archloom.errors import ConfigError, DataError, RunChanged
from archloom.sources import SeriesEncoder, TableEncoder

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(80, 3))
Y = np.arange(80) % 2
LONE: dict[str, Any] = {
    "image": RNG.random((80, 6, 8)),
    "table": ROWS,
    "series": [RNG.random(9 - i % 2) for i in range(80)],
    "text": ["a fine day", "a bad day"] * 40,
}


def with_value(value: float, row: int) -> np.ndarray:
    changed = ROWS.copy()
    changed[row, 1] = value
    return changed


def replaced(samples: list[Any], row: int, sample: Any) -> list[Any]:
    return [sample if index == row else one for index, one in enumerate(samples)]


@pytest.mark.parametrize("kind", LONE)
def test_a_model_of_one_input_of_any_kind(kind: str) -> None:
    settings = {**QUICK, "space": None, "epochs": 1}
    for inputs in (LONE[kind], {"only": LONE[kind]}):
        door = AutoModel(**settings).fit(inputs, Y)
        assert door.predict(inputs).shape == (80,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": "acuracy"}, "did you mean 'accuracy'"),
        ({"folds": 100}, "80 samples for folds=100"),
        ({"ensemble": "yes"}, "ensemble is 'auto', True, False or a mapping"),
        ({"seed": "a"}, "seed is a whole number, got 'a'"),
        ({"folder": 5}, "folder is a path or None"),
        ({"distill": "foo"}, "distill is True or False"),
    ],
)
def test_settings_are_refused_before_training(settings: Any, message: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match=message):
        TableClassifier(**{**QUICK, "folder": run, **settings}).fit(ROWS, Y)
    assert not run.exists()


@pytest.mark.parametrize("row", [75, 79])
@pytest.mark.parametrize(
    ("door", "spoilt", "message"),
    [
        (TableClassifier, lambda row: with_value(np.inf, row), "the first in row {row}"),
        (TextClassifier, lambda row: replaced(LONE["text"], row, None), "at index {row}"),
        (
            SeriesClassifier,
            lambda row: replaced(LONE["series"], row, np.array([1.0, np.nan])),
            "sample {row} has 1",
        ),
        (AutoModel, lambda row: {"a": with_value(np.inf, row)}, "the first in row {row}"),
        (AutoModel, lambda row: {"a": replaced(LONE["text"], row, None)}, "at index {row}"),
    ],
)
def test_bad_samples_are_named_by_the_users_own_row(
    door: Any, spoilt: Any, message: str, row: int
) -> None:
    kinds = {"kinds": {"a": "text"}} if message == "at index {row}" and door is AutoModel else {}
    with pytest.raises(DataError, match=message.format(row=row)):
        door(**QUICK, **kinds).fit(spoilt(row), Y)


def test_images_of_wrong_forms_are_told_what_they_are() -> None:
    with pytest.raises(DataError, match=r"X has shape \(80, 5\)"):
        ImageClassifier(**QUICK).fit(np.zeros((80, 5)), Y)
    objects = np.empty(80, dtype=object)
    objects[:] = list(LONE["image"])
    with pytest.raises(DataError, match=r"np\.stack\(X\)"):
        ImageClassifier(**QUICK).fit(objects, Y)


def test_ragged_series_keep_their_channels() -> None:
    encoder = SeriesEncoder().fit([np.ones((5, 2)), np.ones((4, 2))])
    with pytest.raises(DataError, match="fitted have 2 channels, these have 3"):
        encoder.transform([np.ones((5, 3)), np.ones((5, 3))])
    short = encoder.transform([np.ones((2, 2)), np.ones((2, 2))])
    assert isinstance(short, torch.Tensor)
    assert short.shape == (2, 3, 5)


def test_a_large_offset_of_the_target_is_no_matter() -> None:
    y = ROWS @ [1.0, 2.0, 3.0]
    plain = TableRegressor(**QUICK).fit(ROWS, y)
    far = TableRegressor(**QUICK).fit(ROWS, y + 1e9)
    assert "varies little around 1e+09" in " ".join(far.notices_)
    np.testing.assert_allclose(far.predict(ROWS) - 1e9, plain.predict(ROWS), atol=1e-3)


def test_a_resumed_run_keeps_its_settings_or_says_what_differs(tmp_path: Path) -> None:
    settings = {**QUICK, "folder": tmp_path / "run"}
    TableClassifier(**settings).fit(ROWS, Y)
    changed = {**settings, "epochs": 3, "resume": True}
    with pytest.raises(RunChanged, match="epochs: 2 then, 3 now"):
        TableClassifier(**changed).fit(ROWS, Y)
    again = TableClassifier(**{**settings, "trials": 4, "resume": True}).fit(ROWS, Y)
    assert "made for trials=1 (4 now)" in " ".join(again.notices_)


def test_targets_and_names_are_checked() -> None:
    with pytest.raises(DataError, match="rows of 1, 2 values"):
        TableClassifier(**QUICK).fit(ROWS, [[1, 2], [1]] * 40)
    with pytest.raises(DataError, match="one class: 'a'"):
        TableClassifier(**QUICK).fit(ROWS, ["a"] * 80)
    frames = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="2 columns 'a'"):
        TableClassifier(**QUICK).fit(frames.DataFrame(ROWS, columns=list("aba")), Y)


def test_dates_are_no_identifiers() -> None:
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    encoder = TableEncoder().fit({"day": days, "nr": np.arange(60)})
    assert encoder.columns == ("day",)


def test_without_a_clock_no_notice_speaks_of_time() -> None:
    door = TableClassifier(**QUICK).fit(ROWS, Y)
    more = further(door.experiment_, door.study_, minutes=None, trials=5, progress=False)
    assert not_done(more, door.study_, False, timed=False) == []
    assert "time was up" in not_done(more, door.study_, False)[0]
