"""BOHB: its densities over a tree of choices, and what its model asks for."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.space import Choice, Floats, Integers, OneOf, Option, SomeOf, Space, uniform
from archloom.strategies import Bohb, Offer
from archloom.strategies._kde import TreeDensity
from archloom.strategies._kernels import kernel_of
from archloom.testing import example_spaces
from archloom.trial import State, Trial

ACCURACY = Objective("accuracy")
NINE = tuple(epochs / 9 for epochs in range(1, 10))
LETTERS = tuple(map(Option, "abcd"))


def chance(space: Space, architecture: Architecture) -> float:
    """How likely `Space.sample` gives an architecture of options: each choice is uniform."""
    return math.prod(1 / space.labels[label].domain.count for label in architecture)


# -- densities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flat", "conditional", "tied", "subset"])
def test_a_density_over_a_tree_sums_to_one(name: str) -> None:
    space, rng = example_spaces()[name], np.random.default_rng(0)
    density = TreeDensity(space, [space.sample(rng) for _ in range(5)])
    everything = list(space.enumerate())
    ratios = np.exp(density.log_density(everything))
    total = sum(chance(space, a) * ratio for a, ratio in zip(everything, ratios, strict=True))
    assert total == pytest.approx(1.0)
    assert ratios.max() > 1.2 > 1 / 1.2 > ratios.min()


def test_draws_come_as_often_as_the_density_says() -> None:
    space, rng = example_spaces()["conditional"], np.random.default_rng(1)
    density = TreeDensity(space, [space.sample(rng) for _ in range(12)])
    everything = list(space.enumerate())
    expected = [
        chance(space, a) * ratio
        for a, ratio in zip(everything, np.exp(density.log_density(everything)), strict=True)
    ]
    drawn = [density.draw(rng) for _ in range(4000)]
    seen = [drawn.count(architecture) for architecture in everything]
    chi2 = sum((s - 4000 * e) ** 2 / (4000 * e) for s, e in zip(seen, expected, strict=True))
    assert chi2 < 78 + 4 * math.sqrt(2 * 78)  # mean and deviation of chi-square with 77 degrees


@pytest.mark.parametrize(("low", "high"), [(0, 4), (1, 2), (2, 2), (3, 4)])
def test_a_subsets_kernel_sums_to_one_and_prefers_what_is_near(low: int, high: int) -> None:
    domain = SomeOf(LETTERS, low, high)
    subsets: list[Value] = list(domain.values())
    centres = [subsets[0], subsets[-1], subsets[len(subsets) // 2]]
    kernel = kernel_of(Choice("s", "subset", domain), [*centres, None], 1, 1e-3)
    logs = kernel.log(subsets)
    assert np.exp(logs[:, :3]).mean(axis=0) == pytest.approx(np.ones(3))
    assert (logs[:, 3] == 0).all()
    assert [subsets[int(row)] for row in logs[:, :3].argmax(axis=0)] == centres
    rng = np.random.default_rng(2)
    drawn = [kernel.draw(0, 1.0, rng) for _ in range(3000)]
    shares = [drawn.count(subset) / 3000 for subset in subsets]
    assert shares == pytest.approx(np.exp(logs[:, 0]) / len(subsets), abs=0.04)


@pytest.mark.parametrize(
    "domain", [Floats(0.0, 2.0), Floats(1e-4, 1e-1, log=True), Floats(-1.0, 1.0)]
)
def test_a_numbers_kernel_is_a_density_over_its_range(domain: Floats) -> None:
    centres: list[Value | None] = [domain.at(share) for share in (0.0, 0.1, 0.45, 1.0)]
    kernel = kernel_of(Choice("x", "value", domain), [*centres, None], 1, 1e-3)
    shares = np.linspace(0.0, 1.0, 4001)
    densities = np.exp(kernel.log([domain.at(float(share)) for share in shares]))
    areas = np.trapezoid(densities, shares, axis=0)
    assert areas == pytest.approx(np.ones(5), abs=1e-5)
    assert shares[densities[:, :4].argmax(axis=0)] == pytest.approx([0.0, 0.1, 0.45, 1.0], abs=1e-3)
    rng = np.random.default_rng(0)
    drawn = [domain.share(kernel.draw(1, 1.0, rng)) for _ in range(4000)]
    mean = float(np.trapezoid(densities[:, 1] * shares, shares))
    assert np.mean(drawn) == pytest.approx(mean, abs=0.01)


def test_the_bandwidth_of_numbers_is_scotts_rule() -> None:
    """1.06 times the deviation, times n^(-1 / (4 + d)): here of two points in one dimension."""
    kernel = kernel_of(Choice("x", "value", uniform(0, 1)), [0.4, 0.6], 1, 1e-3)
    at, off = kernel.log([0.4, 0.5])[:, 0]
    width = 0.1 / math.sqrt(2 * (at - off))
    assert width == pytest.approx(1.06 * 0.1 * 2 ** (-1 / 5))


def test_options_and_whole_numbers_draw_their_own_values() -> None:
    rng = np.random.default_rng(0)
    integers = Integers(16, 128, step=8)
    centres: list[Value | None] = [16, 64, 128]
    kernel = kernel_of(Choice("n", "value", integers), centres, 3, 1e-3)
    drawn = {kernel.draw(place, 3.0, rng) for place in (0, 1, 2) for _ in range(100)}
    assert all(integers.fault(value) is None for value in drawn)
    options = OneOf((Option(1), Option(True), Option(1.0)))  # three values that Python calls equal
    kernel = kernel_of(Choice("o", "value", options), [1, True, 1.0], 1, 1e-3)
    logs = kernel.log([1, True, 1.0])
    assert [int(row.argmax()) for row in logs] == [0, 1, 2]


# -- the model ------------------------------------------------------------------------------------


def ready(strategy: Bohb, space: Space, budgets: tuple[float, ...] = NINE) -> Bohb:
    strategy.accept(Offer(budgets=budgets))
    strategy.setup(space, ACCURACY, 0)
    return strategy


def tell(
    strategy: Bohb, number: int, architecture: Architecture, budget: float, value: float
) -> None:
    trial = Trial(number, "search", architecture, 0, budget=budget)
    strategy.tell(trial)
    strategy.tell(replace(trial, state=State.DONE, metrics={"accuracy": value}))


def asked(strategy: Bohb, numbers: range) -> list[Architecture]:
    proposals = [strategy.ask(number) for number in numbers]
    return [proposal.architecture for proposal in proposals if proposal and proposal.parent is None]


SPACE = Space(()).joint(x=uniform(0.0, 1.0), op=["a", "b", "c"])


def learned(budget: float, good: str, strategy: Bohb, first: int = 0) -> None:
    """Tell 30 trials: those with the good op and an x near 0.7 are better."""
    rng = np.random.default_rng(first)
    for number in range(first, first + 30):
        architecture = SPACE.sample(rng)
        x = float(str(architecture["x"]))
        value = (architecture["op"] == good) - abs(x - 0.7)
        tell(strategy, number, architecture, budget, value)


def test_new_architectures_are_like_the_good_ones() -> None:
    strategy = ready(Bohb(random_fraction=0.0), SPACE)
    learned(0.5, "b", strategy)  # of no rung of a third: it teaches nothing
    assert {a["op"] for a in asked(strategy, range(100, 140))} == {"a", "b", "c"}
    learned(3 / 9, "b", strategy, 30)
    new = asked(strategy, range(100, 200))
    assert [a["op"] for a in new].count("b") > 90
    good = [0.4, 0.9]  # the x of the best four of "b"
    near = [min(abs(float(str(a["x"])) - x) for x in good) < 0.1 for a in new]
    assert sum(near) > 60


def test_the_model_is_of_the_highest_budget_with_enough_trials() -> None:
    strategy, rng = ready(Bohb(random_fraction=0.0, min_points=6), SPACE), np.random.default_rng(7)
    learned(3 / 9, "a", strategy)
    for number in range(30, 38):  # 7 of the full budget are too few, 8 are enough
        assert [a["op"] for a in asked(strategy, range(100, 150))].count("a") > 40
        architecture = SPACE.sample(rng)
        tell(strategy, number, architecture, 1.0, float(architecture["op"] == "c"))
    assert [a["op"] for a in asked(strategy, range(100, 150))].count("a") < 20


def test_a_share_of_new_architectures_is_random() -> None:
    strategy = ready(Bohb(random_fraction=1.0), SPACE)
    learned(3 / 9, "b", strategy)
    met = [a["op"] for a in asked(strategy, range(100, 400))]
    assert met.count("b") / 300 == pytest.approx(1 / 3, abs=0.08)


def test_it_finds_more_than_chance_in_a_tree_with_numbers() -> None:
    """Best accuracy of the same work, summed over seeds: the model's against random draws."""
    branch = OneOf((Option("p"), Option("q", (Choice("r", "value", uniform(0, 1)),)), Option("s")))
    space = Space((Choice("op", "layer", branch),)).joint(lr=uniform(0, 1), width=[1, 2, 3, 4])

    def accuracy(a: Architecture) -> float:
        lr, r = float(str(a["lr"])), float(str(a.get("r", 0.5)))
        return (a["op"] == "q") - (lr - 0.3) ** 2 - 2 * (r - 0.9) ** 2 + int(str(a["width"])) / 10

    def best(strategy: Bohb, seed: int) -> float:
        strategy.accept(Offer(budgets=NINE))
        strategy.setup(space, ACCURACY, seed)
        values = []
        for number in range(90):
            proposal = strategy.ask(number)
            assert proposal is not None
            values.append(accuracy(proposal.architecture))
            trial = Trial(
                number,
                "s",
                proposal.architecture,
                0,
                parent=proposal.parent,
                budget=proposal.budget,
            )
            strategy.tell(trial)
            strategy.tell(replace(trial, state=State.DONE, metrics={"accuracy": values[-1]}))
        return max(values)

    model, chance = (
        [best(Bohb(random_fraction=share), seed) for seed in range(6)] for share in (1 / 3, 1.0)
    )
    assert sum(m > c for m, c in zip(model, chance, strict=True)) >= 5
    assert np.mean(model) > np.mean(chance) + 0.02


def test_without_any_score_there_is_no_model() -> None:
    strategy = ready(Bohb(random_fraction=0.0), SPACE)
    rng = np.random.default_rng(0)
    for number in range(40):
        trial = Trial(number, "search", SPACE.sample(rng), 0, budget=1.0)
        strategy.tell(replace(trial, state=State.FAILED, error="RuntimeError: no"))
    assert len(asked(strategy, range(100, 110))) == 10


def test_a_search_of_one_architecture_ends() -> None:
    space = Space(()).joint(width=[16])
    strategy = ready(Bohb(min_points=1, random_fraction=0.0), space)
    budgets = []
    for number in itertools.count():
        proposal = strategy.ask(number)
        if proposal is None:
            break
        budgets.append(proposal.budget)
        trial = Trial(
            number, "s", proposal.architecture, 0, parent=proposal.parent, budget=proposal.budget
        )
        strategy.tell(replace(trial, state=State.DONE, metrics={"accuracy": 0.5}))
    assert budgets == [1 / 9, 3 / 9, 1.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top": 1.5}, "top must be a number of at least 0 and at most 1, got 1.5"),
        ({"random_fraction": -0.1}, "random_fraction must be a number of at least 0"),
        ({"bandwidth_factor": 0}, "bandwidth_factor must be a number of at least 1"),
        ({"min_bandwidth": 0.0}, "min_bandwidth must be a number above 0 and at most 0.5"),
        ({"samples": 0}, "samples must be an int of at least 1"),
        ({"min_points": 0}, "min_points must be an int of at least 1"),
        ({"top": "all"}, "top must be a number"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Bohb(**settings)  # type: ignore[arg-type]
