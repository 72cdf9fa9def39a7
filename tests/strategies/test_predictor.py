"""Searches led by a model: what they find, and what they do with what a search offers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.nn.cells import to_nasbench201
from archloom.objective import Objective
from archloom.space import Choice, OneOf, Option, Space, uniform
from archloom.strategies import Bananas, GaussianProcess, Offer, Predictor, Random, Strategy
from archloom.strategies._gaussian import Kernel, Posterior, Term
from archloom.strategies._predictor import _posterior
from archloom.trial import State, Trial
from archloom.zoo import darts, nasbench101, nasbench201

ACCURACY = Objective("accuracy")
TABLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "nas_bench_201_cifar10.npz"


def flat(labels: int = 6, options: int = 5) -> Space:
    domain = OneOf(tuple(Option(number) for number in "abcdefgh"[:options]))
    return Space(tuple(Choice(f"op{number}", "layer", domain) for number in range(labels)))


def told(strategy: Strategy, number: int, architecture: Architecture, score: float) -> None:
    trial = Trial(number, "search", architecture, 0)
    strategy.tell(trial)
    strategy.tell(replace(trial, state=State.DONE, metrics={"accuracy": score}))


def one_max(architecture: Architecture) -> float:
    """How many labels have the last option; its top is one of 15,625."""
    return float(sum(value == "e" for value in architecture.values()))


def best_after(strategy: Strategy, space: Space, trials: int) -> float:
    strategy.setup(space, ACCURACY, 0)
    best = -1.0
    for number in range(trials):
        proposal = strategy.ask(number)
        assert proposal is not None
        score = one_max(proposal.architecture)
        told(strategy, number, proposal.architecture, score)
        best = max(best, score)
    return best


@pytest.mark.parametrize("kind", [Predictor, GaussianProcess])
def test_the_top_of_an_additive_landscape_takes_no_more_than_40_trials(
    kind: type[GaussianProcess],
) -> None:
    assert best_after(kind(seed=0), flat(), 40) == 6


def test_bananas_is_far_ahead_of_random_search() -> None:
    led = [best_after(Bananas(seed=seed), flat(), 40) for seed in range(2)]
    drawn = [best_after(Random(seed=seed), flat(), 40) for seed in range(20)]
    assert np.mean(led) > np.mean(drawn) + 1


def test_large_spaces_are_climbed() -> None:
    """5^20 points, of which random search finds about 8 of 20 in 60 trials."""
    space = flat(20, 5)
    assert best_after(Predictor(seed=0), space, 60) >= 12


@pytest.mark.skipif(not TABLE.exists(), reason="needs ../shared/data/nas_bench_201_cifar10.npz")
def test_the_best_of_nas_bench_201_takes_no_more_than_60_trials() -> None:
    """97 of 100 seeds find it; two seeds keep this test short."""
    with np.load(TABLE) as file:
        texts, valid = file["arch_str"].tolist(), file["cifar10_valid_valid_12"]
    values = dict(zip(texts, valid.tolist(), strict=True))
    found = 0
    for seed in range(2):
        strategy = Predictor(seed=seed)
        strategy.setup(nasbench201.space, ACCURACY, 0)
        for number in range(60):
            proposal = strategy.ask(number)
            assert proposal is not None
            score = values[to_nasbench201(proposal.architecture)]
            told(strategy, number, proposal.architecture, score)
            if score == max(values.values()):
                found += 1
                break
    assert found >= 1


@pytest.mark.parametrize("strategy", [Predictor(start=2), Bananas(start=2)])
@pytest.mark.parametrize("name", ["nasbench101", "darts"])
def test_cells_of_papers_are_searched(strategy: Strategy, name: str) -> None:
    space = {"nasbench101": nasbench101, "darts": darts}[name].space
    strategy.setup(space, ACCURACY, 1)
    for number in range(5):
        proposal = strategy.ask(number)
        assert proposal is not None
        space.check(proposal.architecture)
        told(strategy, number, proposal.architecture, float(number % 3))


def test_what_a_screening_offers_comes_first() -> None:
    space = flat()
    given = tuple(space.sample(np.random.default_rng(seed)) for seed in (1, 2))
    strategy = Predictor(start=1)
    strategy.accept(Offer(first=given))
    strategy.setup(space, ACCURACY, 0)
    for number, expected in enumerate(given):
        proposal = strategy.ask(number)
        assert proposal is not None
        assert proposal.architecture == expected
        told(strategy, number, expected, 0.5)


def test_equal_cells_come_last() -> None:
    """Sums do not tell the order of their terms apart: 6 classes of 9 architectures."""
    space = flat(2, 3)
    strategy = Predictor(start=2)
    strategy.accept(Offer(canonical=lambda a: tuple(sorted(map(str, a.values())))))
    strategy.setup(space, ACCURACY, 0)
    met: list[tuple[str, ...]] = []
    for number in range(9):
        proposal = strategy.ask(number)
        assert proposal is not None
        met.append(tuple(sorted(map(str, proposal.architecture.values()))))
        told(strategy, number, proposal.architecture, one_max(proposal.architecture))
    assert len(set(met[:6])) == 6
    assert strategy.ask(9) is None


def test_what_breaks_a_constraint_comes_last() -> None:
    space = flat(2, 3)
    strategy = GaussianProcess(start=2)
    strategy.accept(Offer(feasible=lambda a: a["op0"] != "c"))
    strategy.setup(space, ACCURACY, 0)
    met = []
    for number in range(9):
        proposal = strategy.ask(number)
        assert proposal is not None
        met.append(proposal.architecture["op0"])
        told(strategy, number, proposal.architecture, float(proposal.architecture["op0"] == "b"))
    assert "c" not in met[:6]


@pytest.mark.parametrize(
    "strategy", [Predictor(start=12), Bananas(start=12, model="forest", acquisition="ucb")]
)
def test_features_are_learned_from(strategy: Strategy) -> None:
    """A hash of the labels decides: nothing but the feature tells where the good ones are."""
    space = flat(6, 5)
    rng = np.random.default_rng(0)
    score = {a: float(rng.random()) for a in space.enumerate()}
    asked: list[Architecture] = []

    def features(architecture: Architecture) -> dict[str, float]:
        asked.append(architecture)
        return {"proxy": 1e6 * score[architecture] ** 3, "broken": float("nan")}

    strategy.accept(Offer(features=features))
    strategy.setup(space, ACCURACY, 0)
    scores = []
    for number in range(24):
        proposal = strategy.ask(number)
        assert proposal is not None
        scores.append(score[proposal.architecture])
        told(strategy, number, proposal.architecture, scores[-1])
    assert np.mean(scores[13:]) > np.mean(scores[:12]) + 0.2
    assert len(asked) == len(set(asked)), "each architecture's features are computed once"


def test_a_prior_is_tried_first_and_fades() -> None:
    space = flat()
    strategy = Predictor(start=2, prior={f"op{label}": {"e": 50} for label in range(6)})
    strategy.setup(space, ACCURACY, 0)
    scores = []
    for number in range(6):
        proposal = strategy.ask(number)
        assert proposal is not None
        scores.append(one_max(proposal.architecture))
        told(strategy, number, proposal.architecture, scores[-1])
    assert scores[0] == 6
    assert np.mean(scores) > 3, "drawn from the prior: 1.2 without it"


def test_what_is_running_counts_as_known_at_its_expected_value() -> None:
    kernel = Kernel((Term("tree", "near"),))
    settings = np.log([1.0, 2.0, 0.01])
    told = {"tree": np.array([[0.0], [1.0]])}
    running, far = {"tree": np.array([[2.0]])}, {"tree": np.array([[9.0]])}
    values = np.array([-0.5, 0.5])
    before = Posterior(kernel, settings, told, values)
    after, expected = _posterior(kernel, settings, told, values, running)
    assert expected == pytest.approx(before.predict(running)[0])
    assert after.predict(running)[0] == pytest.approx(expected, abs=0.01)
    assert after.predict(running)[1] < before.predict(running)[1] / 5
    assert after.predict(far)[1] == pytest.approx(before.predict(far)[1])


def test_parallel_trials_differ() -> None:
    strategy = GaussianProcess(start=3)
    strategy.setup(Space(()).joint(x=uniform(0.0, 1.0)), ACCURACY, 0)
    for number, x in enumerate((0.0, 0.5, 1.0, 0.25, 0.75)):
        told(strategy, number, Architecture({"x": x}), -((x - 0.6) ** 2))
    places = set()
    for number in range(5, 9):
        proposal = strategy.ask(number)
        assert proposal is not None
        places.add(proposal.architecture["x"])
        strategy.tell(Trial(number, "search", proposal.architecture, 0))
    assert len(places) == 4


def test_a_proposal_names_the_scored_trial_it_is_most_like() -> None:
    strategy = Predictor(start=2)
    strategy.setup(flat(), ACCURACY, 0)
    tried = []
    for number in range(8):
        proposal = strategy.ask(number)
        assert proposal is not None
        if proposal.parent is not None:
            off = [sum(proposal.architecture[k] != a[k] for k in a) for a in tried]
            assert off[proposal.parent] == min(off)
        tried.append(proposal.architecture)
        told(strategy, number, proposal.architecture, one_max(proposal.architecture))
    assert proposal is not None
    assert proposal.parent is not None


def test_trials_at_a_part_of_the_effort_are_not_compared() -> None:
    strategy = GaussianProcess(start=2)
    strategy.setup(flat(1, 5), ACCURACY, 0)
    for number, option in enumerate("ab"):
        trial = Trial(number, "search", Architecture({"op0": option}), 0, budget=0.5)
        strategy.tell(replace(trial, state=State.DONE, metrics={"accuracy": 1.0}))
    proposal = strategy.ask(2)
    assert proposal is not None
    assert proposal.parent is None, "still in the random start"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Predictor(start=0), "start must be an int of at least 1"),
        (lambda: Bananas(members=1), "members must be an int of at least 2"),
        (lambda: Bananas(model="oracle"), "model must be one of networks, forest"),
        (lambda: Bananas(inputs="text"), "inputs must be one of paths, tree"),
        (lambda: Bananas(acquisition="best"), "acquisition must be one of its, ucb, ei"),
    ],
)
def test_bad_settings_are_named(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()
