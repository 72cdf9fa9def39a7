"""Tables: what they hold, and how they are made of columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError, DataError, InvalidArchitecture
from archloom.objective import Objective
from archloom.space import Space
from archloom.tables import Table, load_table, table_of
from archloom.testing import example_spaces

WIDTHS = Space(()).joint(width=[16, 32])


def small() -> Table:
    return table_of(
        {"width": [16, 32], "depth": [1, 1], "accuracy": [0.8, 0.9]}, ["width", "depth"]
    )


def test_columns_of_choices_make_the_space_of_their_values() -> None:
    table = table_of({"op": ["b", "a"], "width": [32, 8], "score": [1.0, 2.0]}, ["op", "width"])
    assert table.space == Space(()).joint(op=["a", "b"], width=[8, 32])
    assert table.architectures[0] == Architecture({"op": "b", "width": 32})
    assert (len(table), table.space.size, table.complete) == (2, 4, False)


def test_texts_of_nas_bench_201_are_points_of_the_space_that_ships() -> None:
    from archloom.zoo import nasbench201

    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    table = table_of({"arch_str": [text], "accuracy": [0.5]})
    assert table.space.size == 15625
    assert set(table.space.labels) == set(nasbench201.space.labels)
    nasbench201.space.check(table.architectures[0])


def test_widths_of_nats_bench_have_all_its_options() -> None:
    table = table_of({"arch": ["8:16:24:32:64"], "accuracy": [0.5]})
    assert table.space.size == 8**5
    assert table.architectures[0]["width4"] == 64


def test_json_mappings_take_a_conditional_space() -> None:
    space = example_spaces()["conditional"]
    points = list(space.enumerate())
    table = table_of(
        {"architecture": [a.text for a in points], "score": np.arange(len(points))}, space=space
    )
    assert table.complete
    assert table.value(points[40], "score") == 40


def test_different_labels_need_a_space() -> None:
    texts = ['{"depth": 1}', '{"depth": 2, "op": "conv"}']
    with pytest.raises(ConfigError, match="'op' is not in all of them: give the space"):
        table_of({"architecture": texts, "score": [1.0, 2.0]})


def test_values_of_a_file_are_matched_to_those_of_the_space() -> None:
    space = Space(()).joint(width=[16, 32], bias=[True, False])
    columns = {"width": [16.0, 32.0], "bias": ["true", "False"], "score": [1.0, 2.0]}
    table = table_of(columns, ["width", "bias"], space=space)
    assert table.value(Architecture({"width": 32, "bias": False}), "score") == 2.0


@pytest.mark.parametrize(
    ("columns", "architecture", "said"),
    [
        ({"width": [1], "score": [1.0]}, ["widht"], "no column 'widht'.*did you mean 'width'"),
        ({"width": [1], "score": [1.0]}, None, "say which column"),
    ],
)
def test_missing_architecture_columns(columns: dict, architecture: list, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        table_of(columns, architecture)


def test_rows_that_disagree_are_an_error_that_names_both() -> None:
    columns = {"width": [16, 32, 16], "score": [0.5, 0.6, 0.7]}
    with pytest.raises(DataError, match=r"row 0 .* again in row 2.* score is 0.5 and 0.7"):
        table_of(columns, ["width"])
    table = table_of(columns, ["width"], duplicates="mean")
    assert table.value(Architecture({"width": 16}), "score") == pytest.approx(0.6)
    assert len(table_of({**columns, "score": [0.5, 0.6, 0.5]}, ["width"])) == 2


def test_an_architecture_outside_of_the_space_is_an_error() -> None:
    with pytest.raises(InvalidArchitecture, match="must be one of 16, 32"):
        table_of({"width": [16, 64], "score": [1.0, 2.0]}, ["width"], space=WIDTHS)


def test_a_missing_row_and_a_missing_column_are_errors() -> None:
    table = small()
    with pytest.raises(InvalidArchitecture, match="is none of them"):
        table.row(Architecture({"width": 64, "depth": 1}))
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        table.column("acuracy")


def test_columns_must_be_as_long_as_the_rows() -> None:
    with pytest.raises(ConfigError, match="2 architectures, 'score' has the shape"):
        Table(tuple(WIDTHS.enumerate()), {"score": np.ones(3)}, WIDTHS)


def test_columns_with_steps_are_fidelities() -> None:
    columns = {"width": [16], "acc": [0.9], "acc@1": [0.3], "acc@3": [0.6], "acc@9": [0.9]}
    table = table_of(columns, ["width"])
    assert table.steps("acc") == ((1 / 9, "acc@1"), (3 / 9, "acc@3"), (1.0, "acc"))


@pytest.mark.parametrize("shares", [{}, {0.5: "acc"}, {0.0: "acc", 1.0: "acc"}, {2.0: "acc"}])
def test_fidelities_end_at_the_full_effort(shares: dict[float, str]) -> None:
    table = table_of({"width": [16], "acc": [0.9]}, ["width"])
    with pytest.raises(ConfigError, match="ascending to 1"):
        table.with_fidelities("acc", shares)


def test_gains_turn_small_values_and_gaps_round() -> None:
    table = table_of({"width": [1, 2, 3], "cost": [3.0, np.nan, 1.0]}, ["width"])
    assert table.order(Objective("cost", "min")).tolist() == [-3.0, -np.inf, -1.0]


def test_a_saved_table_comes_back(tmp_path: Path) -> None:
    table = small().with_fidelities("accuracy", {0.5: "accuracy", 1.0: "accuracy"})
    back = load_table(table.save(tmp_path / "table.npz"))
    assert back.architectures == table.architectures
    assert back.space == table.space
    assert back.fidelities == table.fidelities
    assert back.column("accuracy").tolist() == [0.8, 0.9]


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_files_of_rows(tmp_path: Path, ending: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"op": ["conv", "skip"], "width": [8, 16], "accuracy": [0.5, 0.75]})
    path = tmp_path / f"mine.{ending}"
    if ending == "json":
        frame.to_json(path, orient="records")
    else:
        getattr(frame, f"to_{ending}")(path, index=False)
    table = load_table(path, ["op", "width"])
    assert table.name == "mine"
    assert table.value(Architecture({"op": "skip", "width": 16}), "accuracy") == 0.75


def test_files_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no table"):
        load_table(tmp_path / "none.csv")
    (tmp_path / "bad.npz").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="cannot be read"):
        load_table(tmp_path / "bad.npz")
    (tmp_path / "bad.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="list of rows"):
        load_table(tmp_path / "bad.json")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        load_table(tmp_path / "objects.npz")


def test_second_axes_and_indexed_rows_of_npz_files(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "t.npz",
        architecture=np.array(['{"w": 1}', '{"w": 2}', '{"w": 3}']),
        device=np.array(["cpu", "gpu"]),
        latency=np.arange(6.0).reshape(3, 2),
        probe_index=np.array([2]),
        probe=np.array([7.0]),
    )
    table = load_table(tmp_path / "t.npz")
    assert table.column("latency[gpu]").tolist() == [1, 3, 5]
    np.testing.assert_array_equal(table.column("probe"), [np.nan, np.nan, 7.0])
