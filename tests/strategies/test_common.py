"""What all strategies share: seeds, metrics, settings; and that they stay fast as studies grow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError, SpaceError
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space, uniform
from archloom.strategies import Evolution, Grid, LocalSearch, Random, Strategy
from archloom.testing import example_spaces
from archloom.trial import Proposal, State, Trial

ACCURACY = Objective("accuracy")


def ended(proposal: Proposal, number: int, metrics: dict[str, float]) -> Trial:
    return Trial(
        number,
        "search",
        proposal.architecture,
        0,
        State.DONE,
        parent=proposal.parent,
        metrics=metrics,
    )


def first(strategy: Strategy, seed: int) -> Proposal:
    strategy.setup(example_spaces()["floats"], ACCURACY, seed)
    proposal = strategy.ask(0)
    assert proposal is not None
    return proposal


@pytest.mark.parametrize("make", [Random, Evolution, LocalSearch])
def test_the_strategys_own_seed_wins(make: Callable[..., Strategy]) -> None:
    assert first(make(), 7) == first(make(seed=7), 0)
    assert first(make(), 7) != first(make(), 8)
    assert first(make(seed=0), 5) == first(make(), 0)


def test_a_shuffled_grid_follows_its_seed() -> None:
    space = example_spaces()["conditional"]

    def order(strategy: Grid, seed: int) -> list[str]:
        strategy.setup(space, ACCURACY, seed)
        keys = []
        for number in range(78):
            proposal = strategy.ask(number)
            assert proposal is not None
            keys.append(proposal.architecture.key)
            strategy.tell(ended(proposal, number, {"accuracy": 0.0}))
        assert strategy.ask(78) is None
        return keys

    assert order(Grid(shuffle=True, seed=1), 0) == order(Grid(shuffle=True), 1)
    assert order(Grid(shuffle=True), 1) != order(Grid(shuffle=True), 2)
    assert sorted(order(Grid(shuffle=True), 1)) == sorted(order(Grid(), 0))
    assert order(Grid(), 0) == [point.key for point in space.enumerate()]


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Random(seed=-1), "seed"),
        (lambda: Random(seed="a"), "seed"),  # type: ignore[arg-type]
        (lambda: Random(deduplicate=1), "deduplicate"),  # type: ignore[arg-type]
        (lambda: Grid(points=0), "points"),
        (lambda: Grid(points=2.0), "points"),  # type: ignore[arg-type]
        (lambda: Grid(shuffle="no"), "shuffle"),  # type: ignore[arg-type]
        (lambda: Evolution(population=5, sample=6), r"population \(5\), got sample=6"),
        (lambda: Evolution(population=0), "population"),
        (lambda: Evolution(sample=0), "sample"),
        (lambda: Evolution(crossover=1.5), "crossover"),
        (lambda: Evolution(crossover=math.nan), "crossover"),
        (lambda: Evolution(crossover="0"), "crossover"),  # type: ignore[arg-type]
        (lambda: Evolution(seed=1.5), "seed"),  # type: ignore[arg-type]
        (lambda: LocalSearch(starts=0), "starts"),
        (lambda: LocalSearch(first_improvement=1), "first_improvement"),  # type: ignore[arg-type]
    ],
)
def test_bad_settings_are_refused(make: Callable[[], Strategy], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        make()


@pytest.mark.parametrize("make", [Evolution, LocalSearch])
def test_a_missing_metric_names_the_reported_ones(make: Callable[..., Strategy]) -> None:
    strategy = make()
    proposal = first(strategy, 0)
    with pytest.raises(ConfigError, match=r"'accuracy'.*reported: auc, loss"):
        strategy.tell(ended(proposal, 0, {"loss": 0.1, "auc": 0.5}))
    with pytest.raises(ConfigError, match="nothing"):
        strategy.tell(ended(proposal, 0, {}))


def test_grids_limit_numbers_and_say_when_they_cannot() -> None:
    space = example_spaces()["floats"]
    strategy = Grid(points=None)
    with pytest.raises(SpaceError, match=r"enumerate\(points=5\)"):
        strategy.setup(space, ACCURACY, 0)
    large = Space(()).joint(**{f"e{number}": list(range(10)) for number in range(6)})
    with pytest.raises(ConfigError, match="1000000"):
        Grid(shuffle=True).setup(large, ACCURACY, 0)
    Grid().setup(large, ACCURACY, 0)


def test_a_resumed_grid_leaves_out_what_is_on_record() -> None:
    space = example_spaces()["conditional"]
    points = list(space.enumerate())
    strategy = Grid()
    strategy.setup(space, ACCURACY, 0)
    for number, place in enumerate((0, 1, 3, 77)):
        strategy.tell(ended(Proposal(points[place]), number, {"accuracy": 0.5}))
    left: list[Architecture] = []
    while (proposal := strategy.ask(len(left))) is not None:
        left.append(proposal.architecture)
        strategy.tell(Trial(len(left), "search", proposal.architecture, 0))
    assert left == [point for place, point in enumerate(points) if place not in (0, 1, 3, 77)]


def test_random_is_uniform_over_what_is_left_of_a_space() -> None:
    """All 4! orders of a space of four come about equally often."""
    space = Space(()).joint(a=[1, 2, 3, 4])
    orders: dict[tuple[object, ...], int] = {}
    for seed in range(2400):
        strategy = Random(seed=seed)
        strategy.setup(space, ACCURACY, 0)
        order: list[Value] = []
        while (proposal := strategy.ask(len(order))) is not None:
            order.append(proposal.architecture["a"])
            strategy.tell(ended(proposal, len(order), {"accuracy": 0.0}))
        orders[tuple(order)] = orders.get(tuple(order), 0) + 1
    assert len(orders) == 24
    assert sum((count - 100) ** 2 / 100 for count in orders.values()) < 49.73  # 99.9 %, 23 degrees


@pytest.mark.parametrize(
    "inner",
    [
        Space(()).joint(**{f"e{number}": list(range(8)) for number in range(6)}),
        Space(()).joint(lr=uniform(0, 1)),
    ],
)
def test_random_finds_the_last_of_a_lopsided_space(inner: Space) -> None:
    """Nearly all samples hit the few points that were tried; the rest is found all the same."""
    space = _behind_one_of_many(inner)
    strategy = Random()
    strategy.setup(space, ACCURACY, 0)
    for number, point in enumerate(itertools.islice(space.enumerate(points=1), 300)):
        strategy.tell(Trial(number, "search", point, 0))
    for number in range(300, 330):
        proposal = strategy.ask(number)
        assert proposal is not None
        assert proposal.architecture["kind"] == 300


def _behind_one_of_many(inner: Space) -> Space:
    options = (*map(Option, range(300)), Option(300, inner.choices))
    return Space((Choice("kind", "value", OneOf(options)),))


@pytest.mark.parametrize(
    "make",
    [
        Random,
        Grid,
        lambda: Evolution(population=20, sample=10),
        lambda: Evolution(population=50, sample=25, crossover=0.3),
        LocalSearch,
        lambda: LocalSearch(first_improvement=True),
    ],
)
def test_whole_spaces_are_searched_to_the_end(make: Callable[[], Strategy]) -> None:
    """1,024 architectures, each once: where the neighbourhood is used up, a random one follows."""
    space = Space(()).joint(**{f"e{number}": [0, 1, 2, 3] for number in range(5)})
    strategy = make()
    strategy.setup(space, ACCURACY, 0)
    met: set[Architecture] = set()
    while (proposal := strategy.ask(len(met))) is not None:
        strategy.tell(Trial(len(met), "search", proposal.architecture, 0, parent=proposal.parent))
        score = float(sum(map(int, proposal.architecture.values())))  # type: ignore[arg-type]
        strategy.tell(ended(proposal, len(met), {"accuracy": score}))
        met.add(proposal.architecture)
    assert len(met) == 1024
