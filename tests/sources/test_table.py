"""from_table and the files that it reads."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, DataError, MissingExtra
from archloom.sources import from_table, read_table
from archloom.task import load, rebuild

RNG = np.random.default_rng(1)
ROWS = 80


def columns(**changes: Any) -> dict[str, Any]:
    table = {
        "size": RNG.normal(size=ROWS).round(3).tolist(),
        "colour": [["red", "green", ""][i % 3] for i in range(ROWS)],
        "kind": [["a", "b"][i % 2] for i in range(ROWS)],
        "price": (RNG.normal(size=ROWS) * 10).round(2).tolist(),
        **changes,
    }
    return {name: column for name, column in table.items() if column is not None}


def csv_file(path: Path, table: dict[str, Any], separator: str = ",", decimal: str = ".") -> Path:
    def cell(value: Any) -> str:
        return str(value).replace(".", decimal) if isinstance(value, float) else str(value)

    lines = [separator.join(table)]
    lines += [separator.join(map(cell, row)) for row in zip(*table.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_file_becomes_a_task(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "things.csv", columns())
    task = from_table(path, "kind", test=0.25, drop=["price"], seed=3)
    assert (task.name, task.classes, task.class_names) == ("things", 2, ("a", "b"))
    assert (len(task.train), len(task.valid), task.test_size) == (52, 8, 20)
    assert task.shape == {"numbers": (1,), "categories": (1,)}
    assert task.hints["cardinalities"] == [3]
    assert task.kind == "table"
    assert task.source is not None
    assert rebuild(task.source).fingerprint == task.fingerprint
    assert load(path, target="kind", test=0.25, drop=["price"], seed=3).fingerprint == (
        task.fingerprint
    )


def test_the_encoder_learns_from_training_rows_alone(tmp_path: Path) -> None:
    size = np.zeros(ROWS)
    size[-1] = 1000.0
    day = np.arange(ROWS)
    table = columns(size=(size + RNG.normal(size=ROWS)).tolist(), day=day.tolist())
    task = from_table(table, "kind", time="day", drop=["price", "colour"], valid=0.25)
    assert float(task.train.inputs.mean()) == pytest.approx(0, abs=1e-6)  # type: ignore[union-attr]
    assert float(task.train.inputs.std(correction=0)) == pytest.approx(1, abs=1e-5)  # type: ignore[union-attr]
    assert "size" in task.encoder.columns
    assert "day" not in task.encoder.columns


def test_groups_stay_on_one_side() -> None:
    table = columns(patient=[f"p{i // 8}" for i in range(ROWS)], row=list(range(ROWS)))
    task = from_table(table, "kind", groups="patient", drop=["price", "colour"], valid=0.3)
    assert task.groups is not None
    assert len(task.groups) == ROWS
    parts = (
        set(task.groups[: len(task.train)].tolist()),
        set(task.groups[len(task.train) :].tolist()),
    )
    assert not parts[0] & parts[1]


@pytest.mark.parametrize(
    ("table", "target", "kind", "names"),
    [
        (columns(), "price", "numbers", ("price",)),
        (columns(kind=[i % 2 == 0 for i in range(ROWS)]), "kind", "classes", ("False", "True")),
        (columns(kind=[-1, 1] * 40), "kind", "classes", ("-1", "1")),
        (columns(kind=[3, 4, 5, 6] * 20), "kind", "classes", ("3", "4", "5", "6")),
        (columns(kind=list(range(ROWS))), "kind", "numbers", ("kind",)),
        (columns(u=[0, 1] * 40, v=[0, 0, 1, 1] * 20), ["u", "v"], "labels", ("u", "v")),
        (columns(cost=RNG.random(ROWS)), ["price", "cost"], "numbers", ("price", "cost")),
        (columns(), ["price", "kind"], "mixed", ("price.price", "kind.a", "kind.b")),
    ],
)
def test_what_is_predicted_follows_from_the_columns(
    table: dict[str, Any], target: Any, kind: str, names: tuple[str, ...]
) -> None:
    task = from_table(table, target, valid=0.2)
    assert task.target.kind == kind
    assert len(task.target.names) == len(names)
    if kind != "mixed":
        assert task.target.names == names
    for name in [target] if isinstance(target, str) else target:
        assert name not in task.encoder.columns


def test_the_kind_can_be_decided() -> None:
    task = from_table(columns(kind=[1, 2, 3, 4] * 20), "kind", predict="numbers", valid=0.2)
    assert task.target.kind == "numbers"


def test_a_table_of_its_own_for_the_test(tmp_path: Path) -> None:
    train = csv_file(tmp_path / "train.csv", columns())
    test = csv_file(tmp_path / "test.csv", columns())
    task = from_table(train, "kind", test=test, valid=0.2)
    assert (len(task.train), len(task.valid), task.test_size) == (64, 16, ROWS)
    assert rebuild(task.source or {}).fingerprint == task.fingerprint
    csv_file(test, columns(size=None))
    with pytest.raises(DataError, match=r"it lacks 'size'"):
        from_table(train, "kind", test=test)


@pytest.mark.parametrize(
    ("separator", "decimal"), [(";", ","), (";", "."), ("\t", "."), ("|", "."), (",", ".")]
)
def test_dialects(tmp_path: Path, separator: str, decimal: str) -> None:
    table = columns()
    path = csv_file(tmp_path / "data.csv", table, separator, decimal)
    found = read_table(path).values
    assert list(found) == list(table)
    np.testing.assert_allclose(found["size"], table["size"])
    assert found["colour"][2] is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("Größe;Ort\n1,5;Köln\n2,5;Fürth\n".encode(encoding))
    found = read_table(path).values
    assert found["Größe"].tolist() == [1.5, 2.5]
    assert found["Ort"].tolist() == ["Köln", "Fürth"]


def test_quotes_gaps_and_gzip(tmp_path: Path) -> None:
    text = 'a,b,c\n"x, y",NA,1\n"line\nbreak",2,3\n"say ""hi""",,5\n'
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    found = read_table(path).values
    assert found["a"].tolist() == ["x, y", "line\nbreak", 'say "hi"']
    np.testing.assert_array_equal(found["b"], [np.nan, 2, np.nan])
    assert found["c"].dtype == np.int64


def test_a_header_is_found_out_or_given(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("1.5,2\n3.5,4\n")
    assert list(read_table(path).values) == ["x0", "x1"]
    path.write_text("a,b\nc,d\n")
    assert list(read_table(path).values) == ["a", "b"]
    assert list(read_table(path, header=False).values) == ["x0", "x1"]


def test_real_tables(shared: Path) -> None:
    reads = read_table(shared / "cq500_reads.csv")
    assert len(reads) == 491
    assert reads.values["R1:ICH"].dtype == np.int64
    task = from_table(
        shared / "cq500_reads.csv", ["R1:ICH", "R1:Fracture"], drop=["name"], valid=0.2
    )
    assert task.target.kind == "labels"
    meta = read_table(shared / "plasticc_train_metadata_unblinded.csv.gz")
    assert len(meta) == 7848
    assert meta.values["target"].tolist()[:2] == [92, 88]


def test_parquet_agrees_with_csv(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = columns(day=[f"2021-03-{1 + i % 28:02}" for i in range(ROWS)])
    table["colour"] = [value or None for value in table["colour"]]
    frame = pandas.DataFrame(table)
    frame["day"] = pandas.to_datetime(frame["day"])
    frame.to_parquet(tmp_path / "data.parquet")
    csv = csv_file(
        tmp_path / "data.csv",
        {k: [x if x is not None else "" for x in v] for k, v in table.items()},
    )
    tasks = [from_table(path, "kind", seed=2) for path in (tmp_path / "data.parquet", csv)]
    assert tasks[0].fingerprint == tasks[1].fingerprint
    whole = (tmp_path / "data.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-50])
    with pytest.raises(DataError, match=r"cannot be read as a Parquet file.*truncated"):
        read_table(tmp_path / "cut.parquet")


def test_a_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = csv_file(tmp_path / "data.csv", columns())
    task = from_table(pandas.read_csv(path), "kind")
    assert task.source is None
    assert torch.equal(task.train.targets, from_table(path, "kind").train.targets)
    assert load(pandas.read_csv(path), target="kind").fingerprint == task.fingerprint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"a,b\n", "a header alone"),
        (b"a,b\n1,2\n3\n", "line 3 of .* has 1, the first row has 2"),
        (b"a,a\n1,2\n", "two columns 'a'"),
        (b"\x89PNG\r\n\x1a\n....", "is a PNG image"),
        (b"a,b\n1,2\0\0", "binary"),
        (b"\x1f\x8b\x08\x00bad", "truncated or damaged"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs pointer"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_table(path, header=True)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no table"):
        read_table(tmp_path / "data.csv")
    with pytest.raises(DataError, match=r"is a folder"):
        read_table(tmp_path)
    path = csv_file(tmp_path / "data.csv", columns())
    with pytest.raises(ConfigError, match=r"no encoding 'utf-88'"):
        read_table(path, encoding="utf-88")


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({}, {"target": "kin"}, "no column 'kin': did you mean 'kind'"),
        ({}, {"target": "kind", "drop": ["x"]}, "no column 'x'"),
        (
            {"kind": ["a", None] * 40},
            {"target": "kind"},
            "missing in 40 of 80 rows .* first in row 1",
        ),
        ({"price": [1.5, np.nan] * 40}, {"target": "price"}, "missing in 40 of 80 rows"),
        ({"kind": ["a"] * ROWS}, {"target": "kind"}, "at least two classes"),
        ({"price": [1.5] * ROWS}, {"target": "price", "predict": "numbers"}, "must vary"),
        ({"size": [np.inf] * ROWS}, {"target": "kind"}, "column 'size' holds .* infinite"),
        ({}, {"target": "kind", "time": "colour"}, "'colour' is to order rows in time"),
        ({}, {"target": "kind", "drop": ["size", "colour", "price"]}, "No column is left"),
    ],
)
def test_bad_tables(changes: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_table(columns(**changes), **settings)


def test_arrays_have_no_names() -> None:
    with pytest.raises(DataError, match=r"For arrays there is from_arrays"):
        from_table(np.zeros((5, 3)), "x1")
    with pytest.raises(ConfigError, match=r"got none"):
        from_table(columns(), [])
    with pytest.raises(DataError, match=r"layout= is for arrays"):
        from_table(columns(), "kind", layout="NF")


def test_a_class_with_one_row_trains() -> None:
    table = columns(kind=["rare"] + ["a", "b"] * 39 + ["a"])
    task = from_table(table, "kind", valid=0.3, test=0.3)
    assert task.classes == 3
    assert int((task.train.targets == task.class_names.index("rare")).sum()) == 1


def test_numbers_are_what_people_write() -> None:
    table = columns(size=["1_0", "2_0"] * 40)
    assert from_table(table, "kind", drop="price").hints["cardinalities"][0] == 3


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "data.parquet"
    path.write_bytes(b"PAR1....PAR1")
    with pytest.raises(MissingExtra, match=r"pip install 'archloom\[tables\]'"):
        read_table(path)
