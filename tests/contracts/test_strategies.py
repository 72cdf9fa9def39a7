"""Every built-in strategy keeps the contract of strategies."""

from __future__ import annotations

from archloom.plugins import BUILT_IN, find
from archloom.space import Space
from archloom.strategies import Evolution, Grid, LocalSearch, Random, Strategy
from archloom.testing import StrategyContract


class TestRandom(StrategyContract):
    def make(self) -> Strategy:
        return Random()


class TestRandomWithRepeats(StrategyContract):
    exhausts = False

    def make(self) -> Strategy:
        return Random(seed=3, deduplicate=False)


class TestGrid(StrategyContract):
    def make(self) -> Strategy:
        return Grid(points=2)

    def count(self, space: Space) -> int | float:
        return space.count(2)


class TestShuffledGrid(StrategyContract):
    def make(self) -> Strategy:
        return Grid(points=3, shuffle=True, seed=5)

    def count(self, space: Space) -> int | float:
        return space.count(3)


class TestEvolution(StrategyContract):
    def make(self) -> Strategy:
        return Evolution(population=8, sample=3)


class TestEvolutionWithCrossover(StrategyContract):
    def make(self) -> Strategy:
        return Evolution(population=6, sample=6, crossover=0.5, seed=2)


class TestEvolutionWithRepeats(StrategyContract):
    exhausts = False

    def make(self) -> Strategy:
        return Evolution(population=6, sample=2, deduplicate=False)


class TestLocalSearch(StrategyContract):
    def make(self) -> Strategy:
        return LocalSearch()


class TestLocalSearchFirstImprovement(StrategyContract):
    def make(self) -> Strategy:
        return LocalSearch(first_improvement=True, starts=3, seed=4)


def test_every_built_in_strategy_is_listed() -> None:
    tested = {
        type(contract().make())
        for contract in StrategyContract.__subclasses__()
        if contract.__module__ == __name__
    }
    assert tested == {find("strategies", name) for name in BUILT_IN["strategies"]}
