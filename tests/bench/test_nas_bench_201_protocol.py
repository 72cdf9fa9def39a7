"""The protocol on NAS-Bench-201: search on 12-epoch validation, report the 200-epoch test."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from archloom.bench import Bench, Results, Setting, parse_entries
from archloom.objective import Objective
from archloom.tables import load_table

TABLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "nas_bench_201_cifar10.npz"
NAMES = "random,evolution{population:20,sample:10},local_search{first_improvement:true,starts:5}"
SEEDS = 60

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="the table is not here")


@cache
def results(folder: Path) -> Results:
    objective = Objective("cifar10_valid_valid_12")
    setting = Setting(load_table(TABLE), objective, "cifar10_test_200", 200)
    return Bench(setting, parse_entries(NAMES), folder, seeds=SEEDS).run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


# Means of 200 seeds of plain implementations that are not ours.
@pytest.mark.parametrize(
    ("place", "means"),
    [(0, (93.46, 93.74, 93.90)), (1, (93.79, 94.06, 94.20)), (2, (93.91, 94.16, 94.32))],
)
def test_strategies_reach_the_reference(
    folder: Path, place: int, means: tuple[float, float, float]
) -> None:
    found = results(folder)
    rows = found.summary([50, 100, 200])[3 * place : 3 * place + 3]
    for row, mean in zip(rows, means, strict=True):
        assert row.reported >= mean - 4 * row.se
        if place == 0:
            assert row.reported <= mean + 4 * row.se


def test_random_search_is_significantly_worse(folder: Path) -> None:
    pairs = [pair for pair in results(folder).pairs() if pair.first == "random"]
    assert all(pair.difference < 0 and pair.p_holm < 1e-4 for pair in pairs)
