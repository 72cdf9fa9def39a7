"""Every built-in strategy keeps the contract of strategies."""

from __future__ import annotations

from archloom.plugins import BUILT_IN, find
from archloom.space import Space
from archloom.strategies import (
    Asha,
    Bananas,
    Bohb,
    CmaEs,
    Dehb,
    Distinct,
    Evolution,
    Filtered,
    GaussianProcess,
    Gp,
    Grid,
    Hyperband,
    Lexicographic,
    LocalSearch,
    Nsga2,
    Nsga3,
    Optuna,
    Portfolio,
    Ppo,
    Predictor,
    QLearning,
    Qmc,
    Random,
    Reinforce,
    Scalarized,
    Strategy,
    SuccessiveHalving,
    Tpe,
    WarmStart,
)
from archloom.testing import StrategyContract

NINTHS = tuple(epochs / 9 for epochs in range(1, 10))


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
        return LocalSearch(first_improvement=False)


class TestLocalSearchFirstImprovement(StrategyContract):
    def make(self) -> Strategy:
        return LocalSearch(starts=3, seed=4)


class TestDistinct(StrategyContract):
    def make(self) -> Strategy:
        return Distinct(Random(deduplicate=False))


class TestDistinctEvolution(StrategyContract):
    def make(self) -> Strategy:
        return Distinct({"name": "evolution", "population": 6, "sample": 2, "deduplicate": False})


class TestFiltered(StrategyContract):
    def make(self) -> Strategy:
        return Filtered("local_search", seed=3)


class TestPortfolio(StrategyContract):
    def make(self) -> Strategy:
        return Portfolio(
            ["random", "local_search", {"name": "evolution", "population": 4, "sample": 2}]
        )


class TestDistinctHyperband(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return Distinct({"name": "hyperband", "min_budget": 0.3})


class TestPortfolioWithAsha(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return Portfolio([{"name": "asha", "eta": 2}, "random"])


class TestWarmStart(StrategyContract):
    def make(self) -> Strategy:
        return WarmStart("random")


class TestSuccessiveHalving(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return SuccessiveHalving()


class TestAsha(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return Asha(eta=2)


class TestHyperband(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return Hyperband(min_budget=0.3)


class TestBohb(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return Bohb(min_points=4, samples=8, seed=1)


class TestDehb(StrategyContract):
    budgets = NINTHS

    def make(self) -> Strategy:
        return Dehb(min_points=5)


class TestTpe(StrategyContract):
    def make(self) -> Strategy:
        return Tpe(startup=45, candidates=4)


class TestGp(StrategyContract):
    def make(self) -> Strategy:
        return Gp(startup=55)


class TestCmaEs(StrategyContract):
    def make(self) -> Strategy:
        return CmaEs(population=4)


class TestNsga3(StrategyContract):
    def make(self) -> Strategy:
        return Nsga3(population=6, seed=3)


class TestQmc(StrategyContract):
    def make(self) -> Strategy:
        return Qmc("halton")


class TestOptuna(StrategyContract):
    exhausts = False

    def make(self) -> Strategy:
        return Optuna("nsga2", {"population_size": 4}, deduplicate=False)


class TestReinforce(StrategyContract):
    def make(self) -> Strategy:
        return Reinforce()


class TestReinforceWithRepeats(StrategyContract):
    exhausts = False

    def make(self) -> Strategy:
        return Reinforce(batch=3, layers=1, reward="value", deduplicate=False, seed=4)


class TestPpo(StrategyContract):
    def make(self) -> Strategy:
        return Ppo()


class TestQLearning(StrategyContract):
    def make(self) -> Strategy:
        return QLearning()


class TestQLearningWithRepeats(StrategyContract):
    exhausts = False

    def make(self) -> Strategy:
        return QLearning(trials=20, replays=5, context=2, reward="value", deduplicate=False, seed=4)


class TestNsga2(StrategyContract):
    def make(self) -> Strategy:
        return Nsga2(population=6)


class TestNsga2WithRepeats(StrategyContract):
    exhausts = False

    def make(self) -> Strategy:
        return Nsga2(population=4, crossover=0.5, mutation=0.5, deduplicate=False, seed=4)


class TestScalarized(StrategyContract):
    def make(self) -> Strategy:
        return Scalarized({"name": "evolution", "population": 6, "sample": 3})


class TestScalarizedByChebyshev(StrategyContract):
    def make(self) -> Strategy:
        return Scalarized("local_search", weights={"accuracy": 2}, how="chebyshev", seed=2)


class TestLexicographic(StrategyContract):
    def make(self) -> Strategy:
        return Lexicographic("local_search")


class TestPredictor(StrategyContract):
    def make(self) -> Strategy:
        return Predictor(start=42)


class TestGaussianProcess(StrategyContract):
    def make(self) -> Strategy:
        return GaussianProcess(start=38, seed=3)


class TestBananas(StrategyContract):
    def make(self) -> Strategy:
        return Bananas(start=47)


class TestBananasWithAForest(StrategyContract):
    def make(self) -> Strategy:
        return Bananas(start=48, model="forest", inputs="tree", acquisition="ei", members=2)


def test_every_built_in_strategy_is_listed() -> None:
    tested = {
        type(contract().make())
        for contract in StrategyContract.__subclasses__()
        if contract.__module__ == __name__
    }
    assert tested == {find("strategies", name) for name in BUILT_IN["strategies"]}
