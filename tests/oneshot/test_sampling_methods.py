"""Uniform paths, FairNAS and the sandwich rule."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from method_spaces import layer, node, two_steps
from torch.nn.functional import mse_loss

from archloom.errors import ConfigError, Infeasible, InvalidArchitecture
from archloom.oneshot import FairNas, Gates, Limited, Sandwich, Uniform
from archloom.space import Choice, OneOf, Option, SomeOf, Space, integers, log_uniform

DEPTH = Choice(
    "body",
    "repeat",
    OneOf(tuple(Option(n, tuple(layer(f"{i}.op", "x", "y") for i in range(n))) for n in (1, 2))),
)


def counts(gates: Gates, steps: int, seed: int = 0) -> dict[str, Counter[object]]:
    rng = np.random.default_rng(seed)
    found: dict[str, Counter[object]] = {}
    for _ in range(steps):
        for path in gates.paths(rng):
            for label, value in path.items():
                options = value if isinstance(value, tuple) else (value,)
                found.setdefault(label, Counter()).update(options)
    return found


class TestUniform:
    def test_each_choice_is_uniform_and_endless_ranges_are_drawn(self) -> None:
        rate = Choice("rate", "value", log_uniform(1e-3, 1e-1))
        space = Space((layer("op", "a", "b", "c"), rate))
        gates = Uniform()
        gates.setup(space, seed=0)
        found = counts(gates, 3000)
        for name in "abc":
            assert found["op"][name] / 3000 == pytest.approx(1 / 3, abs=2 / 3000**0.5)
        assert all(1e-3 <= rate <= 1e-1 for rate in found["rate"])
        assert set(gates.probabilities()) == {"op"}
        assert gates.derive() is None

    def test_probabilities_are_those_of_the_draws(self) -> None:
        kernel = Choice("kernel", "value", integers(1, 8, log=True))
        gates = Uniform()
        gates.setup(Space((kernel,)), seed=0)
        found = counts(gates, 4000)["kernel"]
        for value, chance in zip(range(1, 9), gates.probabilities()["kernel"], strict=True):
            assert found[value] / 4000 == pytest.approx(float(chance), abs=2 / 4000**0.5)

    def test_a_limit_leaves_paths_out_until_the_next_setup(self) -> None:
        space = Space((layer("op", "a", "b", "c"),))
        gates = Uniform()
        gates.setup(space, seed=0)
        assert isinstance(gates, Limited)
        gates.limit(lambda architecture: architecture["op"] != "b")
        assert set(counts(gates, 100)["op"]) == {"a", "c"}
        gates.limit(lambda architecture: False)
        with pytest.raises(Infeasible, match="none of 1000"):
            gates.paths(np.random.default_rng(0))
        gates.setup(space, seed=0)
        assert set(counts(gates, 100)["op"]) == {"a", "b", "c"}


class TestFairNas:
    def test_every_option_is_trained_once_in_every_step(self) -> None:
        space = Space(tuple(layer(f"{i}.op", "a", "b", "c", "d") for i in range(5)))
        gates = FairNas()
        gates.setup(space, seed=0)
        rng = np.random.default_rng(0)
        orders = set()
        for _ in range(10):
            paths = gates.paths(rng)
            assert len(paths) == 4
            for label in space.labels:
                assert sorted(str(path[label]) for path in paths) == ["a", "b", "c", "d"]
            orders.add(tuple(path["0.op"] for path in paths))
        assert len(orders) > 5, "each step deals a permutation of its own"

    def test_unequal_numbers_of_options_are_equal_at_the_least_common_multiple(self) -> None:
        gates = FairNas()
        gates.setup(Space((layer("two", "a", "b"), layer("three", "a", "b", "c"))), seed=0)
        assert len(gates.paths(np.random.default_rng(0))) == 6
        for steps in (1, 2, 5):
            gates.setup(Space((layer("two", "a", "b"), layer("three", "a", "b", "c"))), seed=0)
            found = counts(gates, steps)
            assert set(found["two"].values()) == {3 * steps}
            assert set(found["three"].values()) == {2 * steps}

    def test_options_never_differ_by_more_than_one_deal(self) -> None:
        """Where a step is shorter than the common multiple, and inside other options."""
        space = Space((layer("five", *"abcde"), layer("three", *"abc"), DEPTH))
        gates = FairNas(most=5)
        gates.setup(space, seed=0)
        for steps in range(1, 12):
            gates.setup(space, seed=0)
            for label, found in counts(gates, steps).items():
                options = list(space.labels[label].domain.values())
                numbers = [found[option] for option in options]
                assert max(numbers) - min(numbers) <= 1, label
            assert set(counts(gates, 1)["five"].values()) == {1}

    @pytest.mark.parametrize(("inputs", "low", "high"), [(4, 2, 2), (5, 2, 2), (3, 1, 3)])
    def test_every_input_of_a_subset_is_trained_equally_often(
        self, inputs: int, low: int, high: int
    ) -> None:
        names = tuple(Option(str(i)) for i in range(inputs))
        gates = FairNas(most=20)
        gates.setup(Space((Choice("join", "subset", SomeOf(names, low, high)),)), seed=0)
        for steps in (1, 4):
            found = counts(gates, steps)["join"]
            assert len(found) == inputs
            assert len(set(found.values())) == 1

    def test_an_operation_on_an_input_is_trained_when_the_input_is(self) -> None:
        gates = FairNas()
        gates.setup(node(("conv", "skip")), seed=0)
        found = counts(gates, 6)
        for i in range(3):
            assert found["node"][str(i)] == sum(found[f"{i}.op"].values())

    def test_gradients_of_a_step_reach_all_options_alike(self) -> None:
        torch.manual_seed(0)
        supernet = two_steps.supernet()
        gates = FairNas()
        gates.setup(two_steps.space, seed=0)
        x = torch.randn(3, 4)
        for path in gates.paths(np.random.default_rng(0)):
            mse_loss(supernet(x, gates=path), torch.ones(3, 4)).backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in supernet.parameters())


class TestSandwich:
    def space(self) -> Space:
        width = Choice("width", "value", OneOf((Option(32), Option(8), Option(16))))
        inputs = SomeOf(tuple(map(Option, "abc")), 1, 2)
        kernel = Choice("kernel", "value", integers(3, 8, 2))
        return Space((width, DEPTH, Choice("join", "subset", inputs), kernel))

    def test_the_largest_comes_first_then_the_smallest(self) -> None:
        gates = Sandwich(random=3)
        gates.setup(self.space(), seed=0)
        largest, smallest, *others = gates.paths(np.random.default_rng(0))
        assert len(others) == 3
        assert [largest[label] for label in ("width", "body", "join", "kernel")] == [
            32,
            2,
            ("a", "b"),
            7,
        ]
        assert [smallest[label] for label in ("width", "body", "join", "kernel")] == [
            8,
            1,
            ("a",),
            3,
        ]
        assert gates.traits.distill

    def test_names_are_drawn_unless_settings_say_which(self) -> None:
        gates = Sandwich(random=0)
        gates.setup(self.space(), seed=0)
        assert len(counts(gates, 50)["0.op"]) == 2
        given = Sandwich(random=0, largest={"0.op": "x", "1.op": "x"}, smallest={"0.op": "y"})
        given.setup(self.space(), seed=0)
        for seed in range(20):
            largest, smallest = given.paths(np.random.default_rng(seed))
            assert (largest["0.op"], largest["1.op"], smallest["0.op"]) == ("x", "x", "y")

    @pytest.mark.parametrize("largest", [{"widht": 8}, {"width": 9}, {"1.op": "z"}])
    def test_ends_that_the_space_does_not_have_are_refused(
        self, largest: dict[str, object]
    ) -> None:
        with pytest.raises(InvalidArchitecture, match=next(iter(largest))):
            Sandwich(largest=largest).setup(self.space(), seed=0)

    def test_a_limit_holds_for_random_paths_only(self) -> None:
        gates = Sandwich(random=4)
        gates.setup(self.space(), seed=0)
        gates.limit(lambda architecture: architecture["width"] == 16)
        largest, smallest, *others = gates.paths(np.random.default_rng(0))
        assert (largest["width"], smallest["width"]) == (32, 8)
        assert {path["width"] for path in others} == {16}

    def test_bad_settings_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="random of Sandwich"):
            Sandwich(random=-1)
