"""A comparison of strategies on a table: simulation, what is kept, the questions asked of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from archloom.bench import (
    Bench,
    Cell,
    Entry,
    Results,
    Setting,
    parse_entries,
    read_entries,
    simulate,
)
from archloom.errors import ConfigError, RunChanged
from archloom.objective import Objective
from archloom.space import Space
from archloom.strategies import Grid, Random, Strategy
from archloom.tables import Table
from archloom.trial import Proposal, Trial

SPACE = Space(()).joint(a=[0, 1, 2, 3], b=[0, 1, 2, 3])


def table() -> Table:
    points = list(SPACE.enumerate())
    score = np.arange(16.0)
    return Table(
        tuple(points),
        {"score": score, "half@1": score / 2, "half@2": score, "half": score, "told": -score},
        SPACE,
    )


def setting(column: str = "score", budget: int = 8, **changes: object) -> Setting:
    return Setting(table(), Objective.parse(column), budget=budget, **changes)  # type: ignore[arg-type]


def test_a_cell_follows_the_best_one_known() -> None:
    cell = simulate(Grid(), setting("score", 16, report="told"), seed=0)
    assert cell.path[0] == (1.0, 0.0, 0.0, False)
    assert cell.at(5) == (4.0, -4.0)
    assert (cell.work, cell.trials, cell.found_at) == (16.0, 16, 16.0)
    assert (cell.found(15), cell.found(16)) == (False, True)


def test_small_values_win_where_the_objective_says_so() -> None:
    cell = simulate(Grid(), setting("min score", 16), seed=0)
    assert cell.found_at == 1.0
    assert setting("min score").optimum == 0.0


def test_random_search_finds_the_best_as_often_as_chance_says() -> None:
    cells = [simulate(Random(), setting(budget=4), seed) for seed in range(400)]
    share = np.mean([cell.found(4) for cell in cells])
    assert share == pytest.approx(4 / 16, abs=0.065)  # three standard errors
    assert all(cell.work == 4 for cell in cells)


@dataclass
class Climber(Strategy):
    """Tries every architecture at half the effort, then promotes the best one, again and again."""

    seed: int | None = None

    def setup(self, space: Space, objective: Objective, seed: int) -> None:
        super().setup(space, objective, seed)
        self.told: list[Trial] = []

    def ask(self, number: int) -> Proposal | None:
        points = list(self._space.enumerate())
        if number < len(points):
            return Proposal(points[number], budget=0.5)
        if number > len(points) + 1:
            return None
        best = max(self.told, key=lambda trial: trial.metrics["half"])
        return Proposal(best.architecture, parent=best.number, budget=1.0)

    def tell(self, trial: Trial) -> None:
        if trial.state.ended:
            self.told.append(trial)


def test_budgets_count_as_shares_and_promotions_what_they_add() -> None:
    cell = simulate(Climber(), setting("half", 20), seed=0)
    assert cell.work == 16 * 0.5 + 0.5  # the second promotion is known already
    assert cell.trials == 18
    assert cell.path[-1][:2] == (8.5, 15.0)
    assert cell.found_at == 8.5  # half an evaluation is not yet a find


def test_a_budget_that_the_table_does_not_know_is_an_error() -> None:
    @dataclass
    class Odd(Climber):
        def ask(self, number: int) -> Proposal | None:
            return Proposal(self._space.default(), budget=0.3)

    with pytest.raises(ConfigError, match=r"got 0.3; known are 0.5, 1"):
        simulate(Odd(), setting("half"), seed=0)


def test_a_strategy_without_end_is_stopped() -> None:
    @dataclass
    class Same(Strategy):
        seed: int | None = None

        def ask(self, number: int) -> Proposal | None:
            return Proposal(self._space.default())

        def tell(self, trial: Trial) -> None:
            pass

    cell = simulate(Same(), setting(), seed=0)
    assert cell.work == 1.0
    assert cell.trials > 1000


def part() -> Table:
    whole = table()
    kept = [row for row in range(16) if row % 3]
    return Table(tuple(whole.architectures[row] for row in kept), {"score": np.arange(10.0)}, SPACE)


def test_gaps_are_an_error_or_rejected_at_no_cost() -> None:
    with pytest.raises(ConfigError, match=r"no 'score' for 6 of the 16 .*missing='reject'"):
        Setting(part(), Objective("score"))
    cell = simulate(Grid(), Setting(part(), Objective("score"), missing="reject"), seed=0)
    assert (cell.work, cell.trials, cell.rejected) == (10.0, 16, 6)
    assert cell.found(10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": 0}, "whole number from 1"),
        ({"report": "tolt"}, "did you mean 'told'"),
        ({"missing": "drop"}, "'error' or 'reject'"),
    ],
)
def test_settings_that_do_not_fit(changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(setting(), **changes)


# -- entries -----------------------------------------------------------------------------------


def test_strategies_of_the_command_line() -> None:
    entries = parse_entries("random, evolution{population:20,sample:10,first:[{a: 1, b: 2}]}")
    assert entries[0] == Entry("random", {"name": "random"})
    settings = {"population": 20, "sample": 10, "first": [{"a": 1, "b": 2}]}
    assert entries[1].spec == {"name": "evolution", **settings}
    assert entries[1].strategy() is not entries[1].strategy()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("random,random", "stands twice"),
        ("evolution{sample:3", "Braces"),
        ("evolution{sample}", "SETTING:VALUE"),
        ("random{seed:3}", "leave it out"),
        ("", "at least one"),
    ],
)
def test_text_that_names_no_strategies(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_entries(text)


def test_strategies_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("- random\n- {name: evolution, sample: 5, label: small}\n")
    assert [entry.label for entry in read_entries(path)] == ["random", "small"]
    path.write_text("mine: {name: evolution, sample: 5}\nplain: random\n")
    assert [entry.label for entry in read_entries(path)] == ["mine", "plain"]
    path.write_text("3\n")
    with pytest.raises(ConfigError, match="list of strategies"):
        read_entries(path)


def test_unknown_settings_are_named_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'sample'"):
        Bench(setting(), parse_entries("evolution{sampel:3}"), tmp_path).check()
    with pytest.raises(ConfigError, match=r"successive_halving"):
        Bench(setting(), parse_entries("successive_halving"), tmp_path).check()


# -- running and going on ----------------------------------------------------------------------


def bench(folder: Path, names: str = "random,grid", **changes: object) -> Bench:
    return Bench(setting(budget=6), parse_entries(names), folder, **{"seeds": 4, **changes})  # type: ignore[arg-type]


def untimed(results: Results) -> list[Cell]:
    return [replace(cell, ask_ms=0.0, ask_ms_late=0.0) for cell in results.cells]


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    first = bench(tmp_path).run()
    seen: list[Cell | None] = []
    more = bench(tmp_path, seeds=6).run(lambda cell, done, total: seen.append(cell))
    assert more.cells[:4] == first.cells[:4]
    assert [(c.strategy, c.seed) for c in seen if c is not None] == [
        (name, seed) for seed in (4, 5) for name in ("random", "grid")
    ]
    assert more == bench(tmp_path, seeds=6).results()


def test_an_interrupted_comparison_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    def stop(cell: Cell | None, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(tmp_path / "cut").run(stop)
    path = tmp_path / "cut" / "cells.jsonl"
    lines = path.read_text()
    assert lines.count("\n") == 4  # the header and three searches
    path.write_text(lines[:-20])  # a write that was cut off
    assert untimed(bench(tmp_path / "cut").run()) == untimed(bench(tmp_path / "whole").run())


def test_processes_give_the_same_results(tmp_path: Path) -> None:
    alone, together = bench(tmp_path / "one"), bench(tmp_path / "two", workers=2)
    assert untimed(alone.run()) == untimed(together.run())


def test_results_of_another_setting_are_not_mixed(tmp_path: Path) -> None:
    bench(tmp_path).run()
    other = replace(bench(tmp_path), setting=setting(budget=7))
    with pytest.raises(RunChanged, match="of budget 6, not 7"):
        other.run()


# -- results -----------------------------------------------------------------------------------


def results() -> Results:
    cells = [
        Cell("a", seed, ((1.0, 0.5, 50.0, False), (2.0 + seed, 1.0, 90.0, True)), 4, 4, 0, 2.0, 3.0)
        for seed in range(3)
    ]
    cells += [Cell("b", seed, ((1.0, 0.4, 40.0, False),), 4, 4, 0, 1.0, 1.0) for seed in range(3)]
    header = {"budget": 4, "objective": "max acc", "report": "test", "optimum": 1.0}
    return Results(tuple(cells), {**header, "table": "t", "architectures": 9})


def test_summaries_are_means_over_seeds() -> None:
    first, last = (results().summary([2, 4])[place] for place in (0, 1))
    assert first.searched == pytest.approx((1.0 + 0.5 + 0.5) / 3)
    assert first.found == pytest.approx(1 / 3)
    assert first.regret == pytest.approx(1 / 3)
    assert (last.reported, last.se, last.found) == (90.0, 0.0, 1.0)


def test_curves_ranks_and_finds_over_the_budget() -> None:
    found = results()
    assert found.grid().tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(found.curve("a", "searched")[:, 1], [0.5, 0.5, 1.0, 1.0])
    np.testing.assert_allclose(found.curve("a")[1], [0.25, 0.5, 0.5])
    np.testing.assert_allclose(found.found("a"), [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found.mean_ranks()["b"], [2, 2, 2, 2])
    with pytest.raises(ConfigError, match="Known: a, b"):
        found.of("c")


def test_files_of_results(tmp_path: Path) -> None:
    summary, curves = results().write_csv(tmp_path, [2, 4])
    assert len(summary.read_text().splitlines()) == 5
    assert curves.read_text().splitlines()[1] == "a,0,1.0,0.5,50.0,0"
    assert json.loads(results().cells[0].to_json())["seed"] == 0
