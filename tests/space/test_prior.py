"""Priors: densities against sampling, counting and scipy; what may be said and what not."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import truncnorm

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError, InvalidArchitecture, SpaceError
from archloom.space import OneOf, Option, Prior, SomeOf, Space, integers, log_uniform, uniform
from archloom.space._bell import Bell
from archloom.space._tree import Choice
from archloom.testing import example_spaces


def frequencies(prior: Prior, label: str, draws: int = 4000) -> dict[Value, float]:
    rng = np.random.default_rng(0)
    counts = Counter(prior.draw_value(label, rng) for _ in range(draws))
    return {value: count / draws for value, count in counts.items()}


def subset(count: int, low: int, high: int) -> Space:
    domain = SomeOf(tuple(Option(letter) for letter in "abcdefg"[:count]), low, high)
    return Space((Choice("inputs", "subset", domain),))


def test_weights_are_odds_and_options_without_one_weigh_one() -> None:
    space = Space(()).joint(op=["conv", "skip", "pool", "none"])
    prior = Prior.read({"op": {"conv": 5, "skip": 2, "none": 0}}, space)
    densities = {op: prior.log_density(Architecture({"op": op})) for op in ("conv", "skip", "pool")}
    assert densities["conv"] == pytest.approx(math.log(4 * 5 / 8))
    assert densities["skip"] == pytest.approx(math.log(4 * 2 / 8))
    assert densities["pool"] == pytest.approx(math.log(4 * 1 / 8))
    assert prior.log_density(Architecture({"op": "none"})) == -math.inf
    found = frequencies(prior, "op")
    assert "none" not in found
    assert found["conv"] == pytest.approx(5 / 8, abs=0.03)


def test_a_value_is_believed_in_with_its_confidence() -> None:
    space = Space(()).joint(width=[16, 32, 64, 128])
    prior = Prior.read({"width": {"value": 32, "confidence": 0.8}}, space)
    assert frequencies(prior, "width")[32] == pytest.approx(0.8 + 0.2 / 4, abs=0.02)
    ratio = prior.log_density(Architecture({"width": 32}))
    assert ratio == pytest.approx(math.log(4 * 0.85))
    plain = Prior.read({"width": 32}, space)
    assert frequencies(plain, "width")[32] == pytest.approx(0.5 + 0.5 / 4, abs=0.03)


@pytest.mark.parametrize(("low", "high"), [(0, 2), (2, 2), (1, 4), (0, 5)])
def test_subsets_weigh_the_product_of_their_members(low: int, high: int) -> None:
    space = subset(5, low, high)
    weights = {"a": 3.0, "b": 0.5, "c": 0.0, "d": 1.0, "e": 2.0}
    prior = Prior.read({"inputs": {"a": 3, "b": 0.5, "c": 0, "e": 2}}, space)
    listed = [
        chosen for size in range(low, high + 1) for chosen in itertools.combinations("abcde", size)
    ]
    products = {chosen: math.prod(weights[part] for part in chosen) for chosen in listed}
    total = sum(products.values())
    found = frequencies(prior, "inputs")
    for chosen, product in products.items():
        ratio = math.exp(prior.log_density(Architecture({"inputs": chosen})))
        assert ratio == pytest.approx(product / total * len(listed))
        assert found.get(chosen, 0.0) == pytest.approx(product / total, abs=0.03)
    likeliest = max(products.values())
    assert products[prior.mode()["inputs"]] == likeliest  # type: ignore[index]


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.1), (0.0, 0.3), (1.0, 0.05), (0.9, 2.0)])
def test_the_bell_is_scipys_truncated_normal(mean: float, std: float) -> None:
    bell = Bell(mean, std)
    theirs = truncnorm(-mean / std, (1 - mean) / std, loc=mean, scale=std)
    for at in (0.0, 0.2, 0.55, 1.0):
        assert bell.log_density(at) == pytest.approx(theirs.logpdf(at))
        assert bell.share(at, 1.0) == pytest.approx(theirs.sf(at), abs=1e-12)
    rng = np.random.default_rng(1)
    drawn = [bell.draw(rng) for _ in range(4000)]
    assert 0 <= min(drawn) <= max(drawn) <= 1
    assert np.mean(drawn) == pytest.approx(theirs.mean(), abs=0.04 * std + 0.01)


def test_a_log_range_counts_deviations_in_factors_of_ten() -> None:
    space = Space(()).joint(lr=log_uniform(1e-5, 1e-1))
    prior = Prior.read({"lr": {"mean": 1e-3, "std": 0.5}}, space)
    rng = np.random.default_rng(0)
    drawn = np.log10([float(prior.draw_value("lr", rng)) for _ in range(4000)])  # type: ignore[arg-type]
    assert np.mean(drawn) == pytest.approx(-3, abs=0.03)
    assert np.std(drawn) == pytest.approx(0.5, abs=0.03)
    one_off = prior.log_density(Architecture({"lr": 1e-3 * 10**0.5}))
    assert prior.log_density(Architecture({"lr": 1e-3})) - one_off == pytest.approx(0.5)


def test_a_linear_range_counts_deviations_in_its_unit() -> None:
    space = Space(()).joint(dropout=uniform(0.0, 0.8))
    prior = Prior.read({"dropout": {"mean": 0.4, "std": 0.1}}, space)
    theirs = truncnorm(-4, 4, loc=0.4, scale=0.1)
    for value in (0.0, 0.3, 0.4, 0.75):
        ratio = prior.log_density(Architecture({"dropout": value}))
        assert ratio == pytest.approx(theirs.logpdf(value) + math.log(0.8))


@pytest.mark.parametrize(
    "domain", [integers(1, 40), integers(1, 300, log=True), integers(4, 45, step=4, log=True)]
)
def test_whole_numbers_have_probabilities_that_sum_to_one(domain: Any) -> None:
    space = Space(()).joint(n=domain)
    prior = Prior.read({"n": {"mean": 8, "std": 0.4 if domain.log else 6}}, space)
    rng = np.random.default_rng(0)
    uniform_counts = Counter(space.sample(rng)["n"] for _ in range(60_000))
    densities = {value: prior.log_density(Architecture({"n": value})) for value in domain.values()}
    found = frequencies(prior, "n")
    total = 0.0
    for value, density in densities.items():
        probability = math.exp(density) * uniform_counts[value] / 60_000
        total += probability
        assert found.get(value, 0.0) == pytest.approx(probability, abs=0.03)
    assert total == pytest.approx(1, abs=0.03)
    assert max(densities, key=lambda value: densities[value]) == 8
    assert prior.mode()["n"] == 8


def test_far_from_the_mean_a_density_is_small_but_finite() -> None:
    space = Space(()).joint(n=integers(1, 1000), x=uniform(0, 1))
    prior = Prior.read({"n": {"mean": 1, "std": 0.5}, "x": {"mean": 0.0, "std": 0.001}}, space)
    far = prior.log_density(Architecture({"n": 1000, "x": 1.0}))
    nearer = prior.log_density(Architecture({"n": 900, "x": 1.0}))
    assert -math.inf < far < nearer < -1000


@pytest.mark.parametrize("name", ["flat", "conditional", "tied", "subset", "numbers", "floats"])
def test_without_beliefs_the_prior_is_sampling(name: str) -> None:
    space = example_spaces()[name]
    prior = Prior.read({}, space)
    for seed in range(20):
        drawn = prior.sample(np.random.default_rng(seed))
        assert drawn == space.sample(np.random.default_rng(seed))
        assert prior.log_density(drawn) == 0.0
    assert prior.mode() == space.default()


def test_densities_over_a_conditional_space_sum_to_one() -> None:
    """Each point's ratio times its probability under `Space.sample`, known in closed form."""
    space = example_spaces()["conditional"]
    prior = Prior.read({"body": {"3": 4}, "body.*.op": {"skip": 0.2}, "width": 32}, space)
    total = 0.0
    for point in space.enumerate():
        depth = point["body"]
        assert isinstance(depth, int)
        total += math.exp(prior.log_density(point)) / (2 * 3 * 3**depth)
    assert total == pytest.approx(1)


def test_patterns_yield_to_labels_in_full_and_to_earlier_patterns() -> None:
    space = example_spaces()["conditional"]
    spec = {"*.op": {"skip": 9}, "body.*": {"conv5": 9}, "body.1.op": {"conv3": 9}}
    prior = Prior.read(spec, space)
    modes = prior.mode()
    assert modes["body.0.op"] == "skip"
    deep = Prior.read({**spec, "body": 3}, space).mode()
    assert [deep[f"body.{place}.op"] for place in range(3)] == ["skip", "conv3", "skip"]


def test_mutations_draw_from_the_prior_and_always_change_something() -> None:
    space = Space(()).joint(op=["a", "b", "c"], n=[1, 2])
    prior = Prior.read({"op": {"b": 0, "c": 5}}, space)
    start, rng = Architecture({"op": "a", "n": 1}), np.random.default_rng(0)
    children = [prior.mutate(start, rng) for _ in range(400)]
    assert all(child != start for child in children)
    assert {child["op"] for child in children} == {"a", "c"}
    ruled_out = Prior.read({"op": {"b": 0, "c": 0}}, space)
    others = {ruled_out.mutate(start, rng)["op"] for _ in range(100)}
    assert others == {"a", "b", "c"}, "where the prior leaves no other value, any will do"
    with pytest.raises(SpaceError, match="nothing to mutate"):
        Prior.read({}, Space(()).joint(n=[1])).mutate(Architecture({"n": 1}), rng)


def test_what_opens_is_drawn_from_the_prior_too() -> None:
    space = example_spaces()["conditional"]
    prior = Prior.read({"body.*.op": {"conv3": 0, "conv5": 0}}, space)
    start = Architecture({"width": 16, "body": 1, "body.0.op": "skip"})
    later = ("1.op", "2.op")
    for seed in range(50):
        child = prior.mutate(start, np.random.default_rng(seed))
        space.check(child)
        assert all(value == "skip" for label, value in child.items() if label[5:] in later)


def test_settings_are_plain_data_and_mean_the_same() -> None:
    space = Space(()).joint(width=[16, 32], bias=[True, False], x=[(1, 2), (3, 4)])
    spec: Any = {"width": {16: 3}, "bias": {True: 2}, "x": (3, 4)}
    plain = Prior.plain(spec)
    assert plain == {"width": {"16": 3}, "bias": {"true": 2}, "x": [3, 4]}
    assert json.loads(json.dumps(plain)) == plain == Prior.plain(plain)
    first, again = Prior.read(spec, space), Prior.read(plain, space)
    assert first.beliefs == again.beliefs
    assert Prior.plain(None) == {}


def test_options_called_like_the_keys_are_options() -> None:
    space = Space(()).joint(op=["value", "mean"])
    prior = Prior.read({"op": {"value": 3}}, space)
    assert prior.log_density(Architecture({"op": "value"})) == pytest.approx(math.log(1.5))


def test_options_that_text_cannot_tell_apart_are_told_by_their_type() -> None:
    domain = OneOf((Option("1"), Option(1), Option(None)))
    space = Space((Choice("n", "value", domain),))
    prior = Prior.read({"n": {"1": 4, "null": 2}}, space)
    assert prior.log_density(Architecture({"n": "1"})) == pytest.approx(math.log(3 * 4 / 7))
    assert prior.log_density(Architecture({"n": None})) == pytest.approx(math.log(3 * 2 / 7))


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ({"opp": {"a": 1}}, "'opp'.*did you mean 'op'"),
        ({"body.*": 3}, "no label of the space matches"),
        ({"op": {"aa": 2}}, "'aa', which is no option.*did you mean 'a'"),
        ({"op": {"a": -1}}, "at least 0, got -1"),
        ({"op": {"a": True}}, "at least 0, got True"),
        ({"op": {"a": math.nan}}, "cannot be read.*finite"),
        ({"op": {"a": 0, "b": 0}}, "rules out every option"),
        ({"op": {}}, "says nothing"),
        ({"op": "c"}, "is not an option"),
        ({"op": {"value": "a", "confidence": 1.0}}, "below 1, got 1.0"),
        ({"op": {"value": "a", "std": 1.0}}, "says 'std'"),
        ({"some": {"a": 0, "b": 0}}, "rules out every subset"),
        ({"some": ["b", "a"]}, "in that order"),
        ({"n": {"mean": 200}}, "from 1 to 9"),
        ({"n": {"std": 1}}, "needs a 'mean'"),
        ({"n": {"mean": 2, "std": 0}}, "above 0, got 0"),
        ({"n": {"2": 3}}, "says '2'"),
        ({"x": {"mean": 2.0}}, "from 0.0 to 1.0"),
        ({"x": "half"}, "from 0.0 to 1.0"),
        ({3: "a"}, "keys are labels"),
        ({"op": object()}, "cannot be read"),
        (["op"], "maps labels"),
    ],
)
def test_what_cannot_be_believed_is_refused(spec: Any, rule: str) -> None:
    some = Choice("some", "subset", SomeOf((Option("a"), Option("b")), 1, 2))
    space = Space((some,)).joint(op=["a", "b"], n=integers(1, 9), x=uniform(0, 1))
    with pytest.raises(ConfigError, match=rule):
        Prior.read(spec, space)


def test_a_density_is_asked_for_points_of_the_space_only() -> None:
    prior = Prior.read({}, Space(()).joint(op=["a", "b"]))
    with pytest.raises(InvalidArchitecture, match="'op'"):
        prior.log_density(Architecture({"op": "c"}))
