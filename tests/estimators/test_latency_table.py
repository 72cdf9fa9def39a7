"""The latency table: what it lists, sums, keeps and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators import (
    Candidate,
    LatencyTable,
    TableLatency,
    describe,
    metrics_of,
    rebuild_estimator,
)
from archloom.estimators._operations import operations, seconds_of
from archloom.nn import Pick, model_space
from archloom.task import Task, from_arrays

HERE = {"device": "cpu", "machine": "another one", "batch": 2, "threads": 1}


@model_space
def rows(pick: Pick) -> nn.Module:
    """Equal layers in a row: the sum is known."""
    layer = lambda pick: nn.Sequential(nn.Linear(12, 12), nn.ReLU())  # noqa: E731
    return nn.Sequential(pick.repeat("depth", layer, 1, 5), nn.Linear(12, 3))


def names(texts: list[str]) -> list[str]:
    return [json.loads(text)[0] for text in texts]


def test_operations_of_a_known_model() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)
    )
    found = operations(model.to("meta"), torch.zeros(4, 3, 2, 2, device="meta"))
    assert [name.partition(".")[0] for name in names(found)] == [
        "aten::convolution",
        "aten::native_batch_norm",
        "aten::relu",
        "aten::addmm",
    ]
    assert json.loads(found[0])[1][0] == {"tensor": [[4, 3, 2, 2], [12, 4, 2, 1], "float32"]}


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2)),
        lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
        lambda: nn.Sequential(nn.Conv1d(3, 6, 3, groups=3), nn.GroupNorm(2, 6), nn.Dropout(0.5)),
        lambda: nn.Sequential(nn.AdaptiveAvgPool1d(2), nn.LayerNorm(2), nn.GELU(), nn.Softmax(1)),
    ],
)
def test_every_operation_can_be_run_alone(make: Callable[[], nn.Module]) -> None:
    model = make()
    whole = isinstance(next(model.children()), nn.Embedding)
    inputs = torch.zeros(2, 3, dtype=torch.long) if whole else torch.zeros(2, 3, 4)
    found = operations(model, inputs)
    assert found
    for text in dict.fromkeys(found):
        assert min(seconds_of(text, torch.device("cpu"), 2)) > 0


def test_a_member_is_the_sum_of_its_operations(task: Task) -> None:
    deep, flat = Architecture({"depth": 5}), Architecture({"depth": 1})
    plain = LatencyTable(**HERE, ms={})
    texts = plain.operations(rows, task, deep)
    assert len(texts) == 11
    assert len(set(texts)) == 3
    linear, relu, last = (next(t for t in texts if k in t) for k in ("[12,12]", "relu", "[12,3]"))
    table = replace(plain, ms={linear: 3.0, relu: 0.5, last: 1.0})
    assert table.latency_ms(rows, task, deep) == 5 * 3.5 + 1
    assert table.latency_ms(rows, task, flat) == 4.5
    fitted = replace(table, scale=2.0, offset_ms=0.25)
    assert fitted.latency_ms(rows, task, flat) == 9.25


def test_a_table_is_built_once_and_kept(task: Task, tmp_path: Path) -> None:
    table = LatencyTable.build(rows, task, batch=4, repeats=3, members=30, check=5)
    assert len(table.ms) == 3
    assert all(ms > 0 for ms in table.ms.values())
    assert table.error is not None
    assert table.extended(rows, task, [Architecture({"depth": 4})]) is table
    deep, flat = (table.latency_ms(rows, task, Architecture({"depth": n})) for n in (5, 1))
    assert deep > flat
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json") == table


def test_what_is_missing_is_measured_only_on_the_same_machine(task: Task) -> None:
    elsewhere = LatencyTable(**HERE, ms={})
    with pytest.raises(ConfigError, match="another one"):
        elsewhere.extended(rows, task, [rows.space.default()])
    with pytest.raises(ConfigError, match="lacks 3 operations"):
        elsewhere.latency_ms(rows, task, Architecture({"depth": 2}))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 0}', '{"version": 1, "x": 2}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="no latency table"):
        LatencyTable.load(path)
    with pytest.raises(ConfigError, match="no latency table"):
        TableLatency(str(path))


def test_numbers_out_of_range(task: Task) -> None:
    for settings in ({"members": 0}, {"check": -1}, {"batch": 0}):
        with pytest.raises(ConfigError, match="whole number from"):
            LatencyTable.build(rows, task, **settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="members of TableLatency"):
        TableLatency(members=0)


def test_as_an_estimator_each_operation_is_measured_once_a_run(
    candidate: Callable[..., Candidate], notes: Any, task: Task
) -> None:
    estimator = TableLatency(repeats=2, members=1, batch=3)
    first = estimator(candidate({"width": 8}))
    second = estimator(candidate({"width": 16}))
    measured = dict(notes.values)
    assert first["latency_ms"] > 0
    assert second["latency_ms"] > 0
    assert estimator(candidate({"width": 8})) == first
    assert notes.values == measured
    assert rebuild_estimator(describe(estimator)) == estimator
    assert metrics_of(estimator, task) == {"latency_ms"}


def test_a_file_serves_without_measuring(
    candidate: Callable[..., Candidate], notes: Any, space: Any, task: Task, tmp_path: Path
) -> None:
    plain = LatencyTable(**HERE, ms={})
    texts = plain.operations(space, task, Architecture({"width": 8}))
    path = tmp_path / "table.json"
    replace(plain, ms=dict.fromkeys(texts, 2.0)).save(path)
    assert TableLatency(str(path))(candidate({"width": 8})) == {"latency_ms": 2.0 * len(texts)}
    assert notes.values == {}


def test_images_with_values_looked_at() -> None:
    task = from_arrays(np.zeros((20, 4)), np.arange(20) % 2)

    @model_space(name="tests:stubborn")
    def stubborn(pick: Pick) -> nn.Module:
        return Looks()

    assert len(LatencyTable(**HERE, ms={}).operations(stubborn, task, Architecture({}))) >= 2


class Looks(nn.Module):
    """Its forward pass cannot run without data."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) * float(x.sum() < 1e9)
        return out
