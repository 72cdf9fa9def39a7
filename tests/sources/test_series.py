"""Series of equal and different lengths, irregular times, files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, DataError
from archloom.sources import SeriesEncoder, encoder_from_json, from_series
from archloom.task import Task, rebuild

RNG = np.random.default_rng(0)
LABELS = ["up", "down"] * 20
REGULAR = RNG.normal(5.0, 2.0, size=(40, 3, 16))
RAGGED = [RNG.normal(size=(3 + i % 5, 2)) for i in range(40)]


def irregular(count: int = 40, errors: bool = True) -> list[Any]:
    samples = []
    for i in range(count):
        time = np.sort(RNG.random(8 + i % 4)) * 10
        parts = [time, np.sin(time) + 3.0]
        if errors:
            parts += [np.full(len(time), 0.5), np.arange(len(time)) % 2]
        samples.append(tuple(parts))
    return samples


def series(task: Task) -> torch.Tensor:
    inputs = task.train.inputs
    found = inputs["series"] if isinstance(inputs, dict) else inputs
    assert isinstance(found, torch.Tensor)
    return found


@pytest.mark.parametrize("layout", ["auto", "NCL", "NLC"])
def test_arrays_of_one_length(layout: str) -> None:
    X = REGULAR if layout != "NLC" else REGULAR.transpose(0, 2, 1)
    task = from_series(X, LABELS, layout=layout, valid=0.25)
    assert task.shape == (3, 16)
    assert task.kind == "series"
    assert float(series(task).mean()) == pytest.approx(0, abs=1e-5)
    assert float(series(task).std(correction=0)) == pytest.approx(1, abs=1e-3)
    assert task.hints["mask_channels"] == []


def test_one_channel_needs_no_axis() -> None:
    assert from_series(REGULAR[:, 0], LABELS, valid=0.25).shape == (1, 16)
    assert from_series(REGULAR[:, 0].tolist(), LABELS, valid=0.25).shape == (1, 16)
    assert from_series(torch.from_numpy(REGULAR), LABELS, valid=0.25).shape == (3, 16)


def test_an_ambiguous_layout_is_asked_for() -> None:
    X = np.zeros((9, 5, 5))
    with pytest.raises(DataError, match=r"cannot be told from shape .*layout='NCL' or 'NLC'"):
        SeriesEncoder().fit(X)
    SeriesEncoder(layout="NLC").fit(X)


def test_values_that_are_missing_get_a_mask() -> None:
    X = REGULAR.copy()
    X[::2, 1, 3:6] = np.nan
    encoder = SeriesEncoder().fit(X)
    values = encoder.transform(X)
    assert isinstance(values, torch.Tensor)
    assert values.shape == (40, 6, 16)
    assert encoder.mask_channels == (3, 4, 5)
    assert values[0, 1, 3:6].tolist() == [0, 0, 0]
    assert values[0, 4].tolist() == [1.0] * 3 + [0.0] * 3 + [1.0] * 10
    assert "60 values are NaN: they are masked." in encoder.notices
    with pytest.raises(DataError, match=r"had no gaps, these have 60 values that are NaN"):
        SeriesEncoder().fit(REGULAR).transform(X)


def test_different_lengths_are_filled_up() -> None:
    task = from_series(RAGGED, LABELS, valid=0.25)
    assert task.shape == (3, 7)
    assert task.encoder.mask_channels == (2,)
    lengths = series(task)[:, 2].sum(1)
    assert set(lengths.tolist()) == {3, 4, 5, 6, 7}
    longer = task.encoder.transform([np.ones((20, 2)), np.ones((1, 2))])
    assert longer[:, 2].sum(1).tolist() == [7, 1]


def test_different_lengths_are_drawn_onto_one() -> None:
    X = [np.linspace(0, 1, n) for n in (2, 5, 30)]
    encoder = SeriesEncoder(mode="resample", length=11).fit(X)
    values = encoder.transform(X)
    assert isinstance(values, torch.Tensor)
    assert values.shape == (3, 1, 11)
    assert torch.allclose(values[0], values[2], atol=1e-6)


def test_bins_are_weighted_by_the_errors() -> None:
    sample = {"time": [0.1, 0.2, 2.5], "value": [1.0, 3.0, 7.0], "error": [1.0, 2.0, 1.0]}
    encoder = SeriesEncoder(start=0.0, end=3.0, length=3).fit([sample])
    means, errors, mask = encoder.transform([sample])[0].tolist()  # type: ignore[index]
    assert mask == [1, 0, 1]
    mean, std = encoder.to_json()["fitted"]["mean"][0], encoder.to_json()["fitted"]["std"][0]
    # two values with weights 1 and 1/4
    assert means[0] * std + mean == pytest.approx((1 + 3 / 4) / 1.25)
    assert errors[0] * std == pytest.approx(1.25**-0.5)
    assert means[1] == errors[1] == 0


def test_irregular_times_of_several_channels() -> None:
    task = from_series(irregular(), LABELS, length=10, valid=0.25)
    assert task.shape == (6, 10)
    assert task.encoder.mask_channels == (4, 5)
    known = series(task)[:, 4:].bool()
    assert float(series(task)[:, :2][known].mean()) == pytest.approx(0, abs=1e-5)
    assert not bool(series(task)[:, :2][~known].any())


def test_a_grid_is_read_off_straight_lines() -> None:
    X = [([0.0, 10.0], [0.0, 10.0]), ([5.0, 10.0], [1.0, 1.0])]
    encoder = SeriesEncoder(mode="grid", start=0.0, end=10.0, length=5).fit(X)
    values = encoder.transform(X)
    assert isinstance(values, torch.Tensor)
    assert values[1, 1].tolist() == [0, 0, 1, 1, 1]
    steps = values[0, 0].diff()
    assert torch.allclose(steps, steps[0].expand(4))


def test_times_are_counted_from_the_first_or_the_peak() -> None:
    late = [(time + 100, *rest) for time, *rest in irregular(errors=False)]
    early = [(time - 100, *rest) for time, *rest in late]
    for align in ("first", "peak"):
        encoder = SeriesEncoder(align=align, length=12).fit(late)
        assert torch.allclose(encoder.transform(late), encoder.transform(early))  # type: ignore[arg-type]


def test_channels_may_have_names() -> None:
    X = [([0, 1], [1.0, 2.0], None, ["r", "g"]), ([0, 3], [1.0, 4.0], None, ["g", "g"])]
    encoder = SeriesEncoder(length=4).fit(X)
    assert encoder.notices == ("1 of 2 samples have no observation in channel 'r': it is masked.",)
    with pytest.raises(DataError, match=r"no channel 'z': known are g, r"):
        encoder.transform([([0], [1.0], None, ["z"])])


def test_a_sample_without_a_point() -> None:
    X: list[Any] = irregular(40, errors=False)
    X[7] = ([], [])
    with pytest.raises(DataError, match=r"1 of 40 have none \(sample 7\).*drop_empty=True"):
        from_series(X, LABELS)
    task = from_series(X, LABELS, drop_empty=True, valid=0.25)
    assert len(task.train) + len(task.valid) == 39
    assert "1 of 40 samples have no observation: left out." in task.notices
    rows: list[Any] = [np.zeros((0, 2)), *RAGGED[1:]]
    with pytest.raises(DataError, match=r"sample 0"):
        from_series(rows, LABELS)


def test_facts_of_each_sample_come_along() -> None:
    static = {"mass": RNG.random(40), "site": ["a", "b", "c", None] * 10}
    task = from_series(REGULAR, LABELS, static=static, valid=0.25)
    assert task.shape == {"series": (3, 16), "static": (5,)}
    assert task.kinds == {"series": "series", "static": "table"}
    fresh = {"series": REGULAR[:2], "static": {"mass": [0.5, None], "site": ["a", "zz"]}}
    encoded = task.encoder.transform(fresh)
    assert encoded["static"].shape == (2, 5)
    with pytest.raises(DataError, match=r"had a static table beside them, these have none"):
        task.encoder.transform(REGULAR)
    with pytest.raises(DataError, match=r"needs a row of static=: 40 series, 2 rows"):
        from_series(REGULAR, LABELS, static={"mass": [1.0, 2.0]})


def test_parts_of_their_own() -> None:
    task = from_series(REGULAR[:30], LABELS[:30], valid=(REGULAR[30:], LABELS[30:]))
    assert (len(task.train), len(task.valid)) == (30, 10)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 2, 3, 5)), "Series have the shape"),
        (np.array([["a", "b"]]), "holds numbers"),
        (np.full((3, 1, 4), np.inf), "finite numbers, got 12 infinite"),
        ([np.zeros((3, 2)), np.zeros((4, 3))], "the same channels for all"),
        ([np.zeros(3), np.array([0.0, np.nan])], "sample 1 has 1 that are not"),
        ([np.zeros(3), ["a"]], "holds numbers, sample 1 does not"),
        ([([0.0, 1.0], [1.0])], "must have one length, sample 0"),
        ([([0.0], [1.0], [0.0])], "Errors must be positive: sample 0 has one of 0"),
        ([([np.inf], [1.0])], "sample 0 has a time that is not"),
        ([{"time": [0.0]}], "needs times and values, sample 0 has time"),
        ([{"time": [0.0], "value": [1.0], "flux": [1.0]}], "sample 0 has 'flux'"),
        ([([0.0], [1.0], None, [-1])], "numbered from 0, got -1"),
        ([([0.0], [1.0], [1.0]), ([0.0], [1.0])], "Either every sample has errors or none"),
        ([], "series"),
    ],
)
def test_what_is_no_series(X: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        SeriesEncoder().fit(X)


def test_other_series_than_those_fitted() -> None:
    with pytest.raises(DataError, match=r"had|have 3 channels of 16 points, these have 3 of 20"):
        SeriesEncoder().fit(REGULAR).transform(np.zeros((2, 3, 20)))
    with pytest.raises(DataError, match=r"have equal times, these have irregular ones"):
        SeriesEncoder().fit(REGULAR).transform(irregular(2))
    with pytest.raises(DataError, match=r"have 2 channels, these have 3"):
        SeriesEncoder().fit(RAGGED).transform([np.zeros((2, 3)), np.zeros((4, 3))])
    with pytest.raises(DataError, match=r"call fit before transform"):
        SeriesEncoder().transform(REGULAR)


def test_wrong_settings() -> None:
    for settings, message in (
        ({"mode": "bin"}, "no mode 'bin' .*did you mean 'bins'"),
        ({"length": 0}, "length of at least 1"),
        ({"align": "last"}, "no alignment 'last'"),
        ({"start": 3.0, "end": 1.0}, "ends after it starts"),
    ):
        with pytest.raises(ConfigError, match=message):
            SeriesEncoder(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"take the mode bins or grid, got 'pad'"):
        SeriesEncoder(mode="pad").fit(irregular(2))
    with pytest.raises(ConfigError, match=r"no layout 'CNL'"):
        SeriesEncoder(layout="CNL").fit(REGULAR)
    with pytest.raises(ConfigError, match=r"Series need targets"):
        from_series(REGULAR)
    with pytest.raises(DataError, match=r"needs a target: 40 series, 3 targets"):
        from_series(REGULAR, [0, 1, 0])


@pytest.mark.parametrize("X", [REGULAR, RAGGED, irregular()], ids=["equal", "ragged", "irregular"])
def test_json_keeps_everything(X: Any) -> None:
    static = {"mass": RNG.random(40)}
    whole = {"series": X, "static": static}
    encoder = SeriesEncoder().fit(whole)
    twin = encoder_from_json(json.loads(json.dumps(encoder.to_json())))
    expected, got = encoder.transform(whole), twin.transform(whole)
    assert all(torch.equal(got[name], expected[name]) for name in ("series", "static"))


def test_npz_and_wide_tables(tmp_path: Path) -> None:
    y = np.arange(40) % 2
    np.savez(tmp_path / "series.npz", X=REGULAR, y=y)
    task = from_series(tmp_path / "series.npz", valid=0.25)
    assert rebuild(json.loads(json.dumps(task.source))).fingerprint == task.fingerprint
    np.savez(tmp_path / "other.npz", a=REGULAR)
    with pytest.raises(DataError, match=r"holds X and y, .*holds: a"):
        from_series(tmp_path / "other.npz")
    # the layout of the UCR archive: the class first, then the values, no header
    wide = np.concatenate([y[:, None], REGULAR[:, 0]], 1)
    np.savetxt(tmp_path / "ucr.tsv", wide, delimiter="\t", fmt="%.9g")
    ucr = from_series(tmp_path / "ucr.tsv", target="x0", valid=0.25)
    assert ucr.shape == (1, 16)
    assert rebuild(json.loads(json.dumps(ucr.source))).fingerprint == ucr.fingerprint
    with pytest.raises(ConfigError, match=r"needs target="):
        from_series(tmp_path / "ucr.tsv")


def test_tables_with_a_row_an_observation(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    rows = [
        f"s{i},{t},{RNG.random():.4f},{'gr'[t % 2]},{0.1 + t},{LABELS[i]},{i % 5}"
        for t in range(6)
        for i in range(40)
    ]
    path.write_text("\n".join(["star,day,flux,band,err,kind,size", *rows]))
    names = {"sample": "star", "time": "day", "value": "flux", "target": "kind", "valid": 0.25}
    task = from_series(path, channel="band", error="err", static=["size"], length=6, **names)
    assert task.shape == {"series": (6, 6), "static": (1,)}
    assert task.class_names == ("down", "up")
    assert rebuild(json.loads(json.dumps(task.source))).fingerprint == task.fingerprint
    several = from_series(path, **{**names, "value": ["flux", "err"]}, length=6)
    assert several.shape == (4, 6)
    ragged = from_series(path, sample="star", value="flux", target="kind", valid=0.25)
    assert ragged.shape[1] == 6
    with pytest.raises(DataError, match=r"must be the same in all rows of a sample, s0"):
        from_series(path, **{**names, "target": "day", "time": "size"})
    with pytest.raises(DataError, match=r"no column 'fluxx'"):
        from_series(path, **{**names, "value": "fluxx"})
    with pytest.raises(ConfigError, match=r"needs value="):
        from_series(path, sample="star", target="kind")
