"""The page of a comparison."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from archloom.bench import Bench, Results, Setting, parse_entries
from archloom.objective import Objective
from archloom.report import anytime, finds, ranks, write_bench_report
from archloom.tables import table_of


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    table = table_of({"w": list(range(30)), "<b>acc": np.linspace(0, 0.9, 30)}, ["w"])
    setting = Setting(table, Objective("<b>acc"), budget=20)
    names = "random,grid,local_search{starts:2}"
    return Bench(setting, parse_entries(names), tmp_path_factory.mktemp("b"), seeds=5).run()


def test_the_page_shows_every_strategy_and_escapes_names(results: Results, tmp_path: Path) -> None:
    page = write_bench_report(results, tmp_path, budgets=[5, 20], command="archloom bench <x>")
    text = page.read_text()
    assert page == tmp_path / "bench.html"
    assert "<b>acc" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "archloom bench &lt;x&gt;" in text
    for heading in ("Result", "Scores", "Anytime curves", "Finds and ranks", "Significance"):
        assert f">{heading}</h2>" in text
    assert text.count('class="chart"') == 4
    for name in results.strategies:
        assert f'<th scope="row">{name}</th>' in text


def test_charts_are_the_curves(results: Results) -> None:
    figure = anytime(results)
    assert len(figure.data) == 3 * len(results.strategies)
    middle = figure.data[2]
    np.testing.assert_allclose(middle.customdata, results.curve("random"))
    assert json.loads(figure.to_json())["layout"]["yaxis"]["type"] == "log"
    assert min(middle.y) > 0
    np.testing.assert_allclose(finds(results).data[1].y, 100 * results.found("grid"))
    np.testing.assert_allclose(ranks(results).data[0].y, results.mean_ranks()["random"])


def test_one_strategy_has_no_test_of_significance(results: Results, tmp_path: Path) -> None:
    alone = Results(results.of("grid"), results.header)
    assert "Significance" not in write_bench_report(alone, tmp_path / "p.html").read_text()
