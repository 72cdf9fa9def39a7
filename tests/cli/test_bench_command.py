"""archloom bench, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from archloom.cli._main import app
from archloom.errors import ConfigError, DataError

ROWS = "\n".join(f"{w},{d},{w * d / 64},{w * d}" for w in (2, 4, 8) for d in (1, 2, 4))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(f"width,depth,accuracy,cost\n{ROWS}\n")
    return "--table mine.csv --architecture width,depth"


def bench(words: str) -> str:
    done = CliRunner().invoke(app, ["bench", *words.split()], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_comparison_writes_table_page_and_data(table: str) -> None:
    words = f"{table} --column accuracy --report cost --strategies random,grid --seeds 3 --budget 4"
    said = bench(f"{words} --at 2,4 -q")
    folder = Path("runs/bench-mine-accuracy-4")
    assert "random" in said
    assert "report  runs/bench-mine-accuracy-4/bench.html" in said
    assert {p.name for p in folder.iterdir()} == {
        "cells.jsonl",
        "bench.html",
        "curves.csv",
        "summary.csv",
    }
    assert len((folder / "cells.jsonl").read_text().splitlines()) == 7
    bench(f"{words} --seeds 5")
    assert len((folder / "cells.jsonl").read_text().splitlines()) == 11


def test_without_a_column_it_lists_them(table: str) -> None:
    said = bench(table)
    assert "accuracy" in said
    assert "Say which one" in said


def test_fidelities_serve_the_bandits(table: str) -> None:
    said = bench(
        f"{table} --column accuracy --fidelity 0.25=cost --fidelity 0.5=cost "
        f"--strategies successive_halving --seeds 2 --budget 6 -q"
    )
    assert "successive_halving" in said


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("--column acuracy", ConfigError, "did you mean 'accuracy'"),
        ("--column accuracy --strategies randm", ConfigError, "did you mean 'random'"),
        ("--column accuracy --strategies hyperband", ConfigError, "hyperband"),
        ("--column accuracy --fidelity x=cost", ConfigError, "SHARE=COLUMN"),
        ("--column accuracy --at 5000", ConfigError, "from 1 to 100"),
        ("--column accuracy --seeds 0", ConfigError, "whole number from 1"),
        ("--table none.csv", DataError, "There is no table"),
    ],
)
def test_bad_input_is_an_error_before_any_search(
    table: str, words: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        CliRunner().invoke(app, ["bench", *f"{table} {words}".split()], catch_exceptions=False)
    assert not Path("runs").exists()
