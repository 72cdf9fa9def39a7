"""TableEncoder: kinds of columns, missing values, unknown categories, other columns."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, DataError
from archloom.sources import TableEncoder, encoder_from_json

RNG = np.random.default_rng(0)


def mixed(rows: int = 60) -> dict[str, Any]:
    return {
        "person_id": list(range(100, 100 + rows)),
        "age": [None if i % 10 == 0 else 20.0 + i for i in range(rows)],
        "member": [i % 3 == 0 for i in range(rows)],
        "joined": [f"2020-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(rows)],
        "city": [["Ulm", "Bonn", None, "Kiel"][i % 4] for i in range(rows)],
        "planet": ["Earth"] * rows,
        "name": [f"person {i}" for i in range(rows)],
    }


def numbers(inputs: Any) -> torch.Tensor:
    return inputs["numbers"] if isinstance(inputs, dict) else inputs


def test_kinds_are_inferred() -> None:
    encoder = TableEncoder().fit(mixed())
    inputs = encoder.transform(mixed())
    assert isinstance(inputs, dict)
    assert encoder.columns == ("age", "age is missing", "member", "joined")
    assert inputs["numbers"].dtype == torch.float32
    assert inputs["categories"].dtype == torch.int64
    assert encoder.hints["cardinalities"] == [4]  # missing, Bonn, Kiel, Ulm
    text = " ".join(encoder.notices)
    for part in ("'person_id' is left out: it numbers", "'planet' is left out: it holds only"):
        assert part in text
    assert "'name' is left out: 60 of its 60 texts occur once" in text
    assert "6 missing values of column 'age' take the median" in text


def test_numbers_are_standardised_and_the_median_fills() -> None:
    X = np.array([[1.0], [2.0], [3.0], [np.nan], [10.0]])
    values = TableEncoder().fit(X).transform(X)
    assert isinstance(values, torch.Tensor)
    assert values[:, 1].tolist() == [0, 0, 0, 1, 0]
    median = TableEncoder().fit(X).transform([[2.5]])
    assert values[3, 0] == numbers(median)[0, 0]
    known = values[[0, 1, 2, 4], 0]
    assert float(known.mean()) == pytest.approx(0, abs=1e-6)
    assert float(known.std(correction=0)) == pytest.approx(1, abs=1e-6)


def test_an_outlier_is_clipped() -> None:
    X = RNG.normal(size=(1000, 1))
    X[3] = 1e9
    values = numbers(TableEncoder().fit(X).transform(X))
    assert float(values.abs().max()) < 10
    assert float(values[4:].std()) == pytest.approx(1, abs=0.1)


def test_quantiles_make_a_skewed_column_normal() -> None:
    X = np.exp(3 * RNG.normal(size=(2000, 1)))
    values = numbers(TableEncoder(numbers="quantile").fit(X).transform(X))[:, 0]
    from scipy.stats import skew

    assert abs(float(skew(values.numpy()))) < 0.05
    assert float(values.std()) == pytest.approx(1, abs=0.05)
    order = torch.from_numpy(X[:, 0]).argsort()
    assert bool((values[order].diff() >= 0).all())


def test_unknown_and_missing_categories_get_code_zero() -> None:
    X = {"city": ["Ulm", "Bonn", "Ulm", "Kiel"] * 5}
    encoder = TableEncoder().fit(X)
    codes = encoder.transform({"city": ["Ulm", "Bonn", "Rome", None, float("nan")]})
    assert isinstance(codes, dict)
    assert codes["categories"][:, 0].tolist() == [1, 2, 0, 0, 0]
    assert set(codes) == {"categories"}


def test_rare_categories_share_a_code() -> None:
    words = [f"w{i % 7}" if i % 2 else "often" for i in range(70)]
    encoder = TableEncoder(max_categories=4).fit({"word": words})
    assert encoder.hints["cardinalities"] == [5]
    codes = encoder.transform({"word": ["often", "never seen", None]})
    assert isinstance(codes, dict)
    assert codes["categories"][:, 0].tolist() == [1, 4, 0]
    assert "all but the 3 most frequent ones share one code" in encoder.notices[0]


def test_numbers_can_be_categories() -> None:
    X = {"zip": [1, 2, 3, 1] * 6, "size": RNG.normal(size=24)}
    encoder = TableEncoder(categories=["zip"]).fit(X)
    codes = encoder.transform({"zip": [1.0, 9.0], "size": [0.0, 0.0]})
    assert isinstance(codes, dict)
    assert codes["categories"][:, 0].tolist() == [1, 0]
    with pytest.raises(DataError, match=r"no column 'zap' for categories=.*did you mean 'zip'"):
        TableEncoder(categories=["zap"]).fit(X)


def test_one_hot_is_a_plain_tensor() -> None:
    encoder = TableEncoder(one_hot=True).fit({"a": ["x", "y"] * 9, "b": range(0, 36, 2)})
    values = encoder.transform({"a": ["y", None], "b": [0, 2]})
    assert isinstance(values, torch.Tensor)
    assert encoder.columns == ("a=missing", "a=x", "a=y") or encoder.columns[-3:] == (
        "a=missing",
        "a=x",
        "a=y",
    )
    assert values[:, -3:].tolist() == [[0, 0, 1], [1, 0, 0]]


def test_dates_are_days() -> None:
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(i * i) for i in range(30)]
    written = {"day": [day.isoformat() for day in days]}
    dotted = {"day": [f"{day.day}.{day.month}.{day.year}" for day in days]}
    stamped = {"day": np.array(days, dtype="datetime64[D]")}
    values = [TableEncoder().fit(X).transform(X) for X in ({"day": days}, written, dotted, stamped)]
    for other in values[1:]:
        assert torch.equal(numbers(values[0]), numbers(other))


def test_frames_lists_and_dicts_agree() -> None:
    pandas = pytest.importorskip("pandas")
    table = {"a": [1.5, 2.5, None, 4.0] * 6, "b": ["x", "y", "x", None] * 6}
    frame = pandas.DataFrame(table)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    expected = TableEncoder().fit(table).transform(table)
    for other in (frame, frame[["b", "a"]], rows):
        got = TableEncoder().fit(table).transform(other)
        assert isinstance(got, dict)
        assert isinstance(expected, dict)
        assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_pandas_types() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "count": pandas.array([1, None, 3, 4] * 6, dtype="Int64"),
            "flag": pandas.array([True, None, False, True] * 6, dtype="boolean"),
            "kind": pandas.Categorical(["a", "b", None, "a"] * 6),
            "when": pandas.to_datetime(["2020-01-01", None, "2021-05-05", "2022-01-01"] * 6),
            "zone": pandas.date_range("2020-01-01", periods=24, tz="Europe/Berlin"),
        }
    )
    encoder = TableEncoder().fit(frame)
    inputs = encoder.transform(frame)
    assert isinstance(inputs, dict)
    assert inputs["numbers"].shape == (24, 7)
    assert encoder.hints["cardinalities"] == [3]
    assert not bool(inputs["numbers"].isnan().any())


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"two axes \(rows, columns\), got shape \(2,\)"),
        (np.zeros((2, 2, 2)), r"two axes"),
        ([[1.0], [2.0, 3.0]], "Rows must have one length, got rows of \\[1, 2\\]"),
        ({"a": [1.0, np.inf]}, "must be finite: column 'a' holds 1 infinite values, the first in"),
        ({"a": [1], "b": [1, 2]}, "one length"),
        ({"a": [5, 5]}, "No column tells rows apart"),
        ({}, "at least one column"),
        (np.array([[1 + 2j]]), "numbers, text, dates and truth, got complex128"),
    ],
)
def test_what_is_no_table(X: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TableEncoder().fit(X)


def test_other_columns_than_those_fitted() -> None:
    encoder = TableEncoder(ignore=["y"]).fit({"a": [1, 2, 3], "b": [1, 0, 2]})
    assert numbers(encoder.transform({"b": [1], "y": [0], "a": [1]})).shape == (1, 2)
    assert numbers(encoder.transform(np.ones((4, 2)))).shape == (4, 2)
    with pytest.raises(DataError, match=r"it lacks 'b' and it has 'c' besides. Fitted: 'a', 'b'"):
        encoder.transform({"a": [1], "c": [1]})
    with pytest.raises(DataError, match=r"has 2 columns.*this one has 3"):
        encoder.transform(np.ones((4, 3)))
    with pytest.raises(DataError, match=r"Column 'a' held numbers .* row 1 now holds 'many'"):
        encoder.transform({"a": [1, "many"], "b": [0, 0]})
    with pytest.raises(DataError, match=r"call fit before transform"):
        TableEncoder().transform([[1]])


def test_a_dropped_column_may_be_absent_later() -> None:
    X = {"same": [1] * 9, "a": range(0, 27, 3)}
    encoder = TableEncoder().fit(X)
    assert numbers(encoder.transform({"a": [3]})).shape == (1, 1)


def test_wrong_settings() -> None:
    with pytest.raises(ConfigError, match=r"no scale 'quantil' .*did you mean 'quantile'"):
        TableEncoder(numbers="quantil")
    with pytest.raises(ConfigError, match=r"max_categories must be at least 2"):
        TableEncoder(max_categories=1)


def test_json_keeps_everything() -> None:
    encoder = TableEncoder(numbers="quantile", max_categories=3).fit(mixed())
    twin = encoder_from_json(json.loads(json.dumps(encoder.to_json())))
    assert twin.to_json() == encoder.to_json()
    fresh = {name: column[:5] for name, column in mixed(90).items()}
    expected, got = encoder.transform(fresh), twin.transform(fresh)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
