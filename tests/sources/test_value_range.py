"""Values of another scale than at fit are noticed, and no part of the training data is."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archloom.sources import (
    ImageEncoder,
    SeriesEncoder,
    TableEncoder,
    ValueRange,
    encoder_from_json,
)

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (60, 6, 8)).astype(np.uint8)
PICTURES[:5] //= 64  # some are dark
PICTURES[5] = 0
WAVES = RNG.standard_t(2, (60, 2, 30)) * 10  # heavy tails

Change = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(
    ("fitted", "change"),
    [
        (PICTURES, lambda x: x / 255),
        (PICTURES, lambda x: (x / 255 - 0.5) / 0.25),
        (PICTURES, lambda x: x.astype(np.int64) * 257),
        (PICTURES / 255, lambda x: x * 255),
        (PICTURES / 255, lambda x: 2 * x - 1),
        (PICTURES[6:].astype(float) + 0.25, lambda x: x / 255),
        (WAVES, lambda x: x * 1000),
        (WAVES, lambda x: x / 1000),
        (WAVES, lambda x: x + 1e4),
    ],
)
@pytest.mark.parametrize("count", [1, 40])
def test_another_scale_is_noticed(fitted: np.ndarray, change: Change, count: int) -> None:
    known = ValueRange.of(fitted)
    new = change(fitted[-count:])
    found = known.compared(new)
    assert f"from {new.min():.4g} to {new.max():.4g}" in found
    assert f"from {fitted.min():.4g} to {fitted.max():.4g}" in found


def test_signs_that_were_not_there_are_noticed_only_where_they_reach_far() -> None:
    known = ValueRange.of(PICTURES / 255)
    assert known.compared(PICTURES[10:] / 255 - 0.1) == ""


@given(st.data(), st.sampled_from(["bytes", "floats", "waves", "flat"]))
def test_no_part_of_the_training_data_is_called_another_scale(data: Any, which: str) -> None:
    flat = np.where(np.arange(60)[:, None, None] < 12, 1e-3, 1.0) * PICTURES
    fitted = {"bytes": PICTURES, "floats": PICTURES / 255, "waves": WAVES, "flat": flat}[which]
    rows = data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=60, unique=True))
    some = fitted[rows]
    assert ValueRange.of(fitted).compared(some) == ""
    assert ValueRange.of(torch.from_numpy(fitted)).compared(torch.from_numpy(some)) == ""


def test_samples_of_one_value_and_gaps_say_nothing() -> None:
    known = ValueRange.of(PICTURES)
    assert known.compared(np.zeros((3, 6, 8))) == ""
    gaps = np.where(RNG.random(WAVES.shape) < 0.3, np.nan, WAVES)
    gaps[0] = np.nan
    assert ValueRange.of(gaps).compared(WAVES) == ""
    assert ValueRange.of(WAVES).compared(gaps[:1]) == ""
    assert ValueRange.of(np.ones((4, 3))).compared(np.full((4, 3), 9.0)) == ""


def test_a_range_survives_json() -> None:
    known = ValueRange.of(WAVES)
    assert ValueRange.from_json(json.loads(json.dumps(known.to_json()))) == known
    assert ValueRange.from_json(None) is None


def test_series_are_compared_where_they_were_seen() -> None:
    ragged = [wave.T[: 10 + i % 9] for i, wave in enumerate(WAVES)]
    encoder = encoder_from_json(json.loads(json.dumps(SeriesEncoder().fit(ragged).to_json())))
    with pytest.warns(UserWarning, match=r"X holds values from .* is it another scale\?"):
        encoder.transform([wave * 1000 for wave in ragged[:3]])
    older = SeriesEncoder().fit(ragged).to_json()
    del older["fitted"]["range"]  # as files of earlier versions are
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(ragged[:3])
        assert encoder_from_json(older).transform([ragged[0] * 1000]).shape[0] == 1


@pytest.mark.parametrize("numbers", ["standard", "quantile"])
def test_columns_in_another_unit(numbers: str) -> None:
    table = {
        "height": RNG.normal(172, 9, 200),
        "income": np.exp(RNG.normal(8, 2, 200)),
        "smokes": RNG.integers(0, 2, 200),
    }
    encoder = TableEncoder(numbers=numbers).fit(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(50):
            some = RNG.integers(0, 200, RNG.integers(1, 9))
            encoder.transform({name: column[some] for name, column in table.items()})
        encoder.transform({"height": [1.8], "income": [1e9], "smokes": [0]})  # a row may be odd
    metres = {**table, "height": table["height"] / 100}
    with pytest.warns(UserWarning, match=r"Column 'height' holds values from 1\..* fitted to"):
        encoder.transform(metres)


def test_arrays_for_an_encoder_of_image_files(tmp_path: Path) -> None:
    encoder = ImageEncoder((6, 8), colour="grey")
    with pytest.warns(UserWarning, match=r"from 0 to 1, .* from 0 to 255"):
        encoder.transform(list(PICTURES / PICTURES.max()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(PICTURES)
        encoder.transform(PICTURES[-1:].astype(float) + 0.5)
        encoder.transform(np.zeros((1, 6, 8)))
