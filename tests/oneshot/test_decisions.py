"""What all methods with one vector a choice share: what is decided, refused and derived."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from method_spaces import layer, node

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.oneshot import Darts, DrNas, Enas, Gdas, Learned, PcDarts, ProxylessNas, Snas
from archloom.space import Choice, OneOf, Option, SomeOf, Space, integers, uniform

LEARNED: list[type[Learned]] = [Darts, DrNas, Enas, Gdas, PcDarts, ProxylessNas, Snas]


def derived(gates: Learned, space: Space, shares: dict[str, list[float]]) -> dict[str, object]:
    gates.setup(space, seed=0)
    with torch.no_grad():
        for label, share in shares.items():
            gates.parameters()[label].copy_(torch.tensor(share).log())
    found = gates.derive()
    assert isinstance(found, Architecture)
    space.check(found)
    return dict(found)


class TestDerive:
    def test_a_node_keeps_the_inputs_of_the_strongest_operations(self) -> None:
        shares = {"0.op": [0.4, 0.6], "1.op": [0.1, 0.9], "2.op": [0.8, 0.2]}
        found = derived(Darts(), node(("conv", "skip")), shares)
        assert found == {"node": ("1", "2"), "1.op": "skip", "2.op": "conv"}

    def test_none_is_neither_strong_nor_chosen_on_an_input(self) -> None:
        shares = {"0.op": [0.9, 0.1, 0.0], "1.op": [0.5, 0.3, 0.2], "2.op": [0.6, 0.2, 0.2]}
        shares = {label: [p + 1e-9 for p in share] for label, share in shares.items()}
        found = derived(Darts(), node(("none", "conv", "skip")), shares)
        assert found == {"node": ("1", "2"), "1.op": "conv", "2.op": "conv"}

    def test_none_can_be_derived_where_it_is_an_edge_of_its_own(self) -> None:
        space = Space((layer("0<-1", "none", "conv", "skip"),))
        shares = {"0<-1": [0.6, 0.3, 0.1]}
        assert derived(Darts(), space, shares) == {"0<-1": "none"}
        assert derived(Darts(none="never"), space, shares) == {"0<-1": "conv"}

    def test_none_can_be_kept_on_inputs(self) -> None:
        shares = {"0.op": [0.9, 0.1], "1.op": [0.8, 0.2], "2.op": [0.3, 0.7]}
        space = node(("none", "conv"))
        assert derived(Darts(none="always"), space, shares) == {
            "node": ("1", "2"),
            "1.op": "none",
            "2.op": "conv",
        }

    def test_none_is_no_operation_of_a_node_that_takes_all_its_inputs(self) -> None:
        shares = {"0.op": [0.9, 0.1], "1.op": [0.3, 0.7]}
        found = derived(Darts(), node(("none", "conv"), inputs=2), shares)
        assert found == {"node": ("0", "1"), "0.op": "conv", "1.op": "conv"}

    def test_an_open_number_of_inputs_keeps_those_that_beat_none(self) -> None:
        space = node(("none", "conv"), inputs=4, low=0, high=4)
        shares = {"0.op": [0.9, 0.1], "1.op": [0.1, 0.9], "2.op": [0.2, 0.8], "3.op": [0.99, 0.01]}
        assert derived(Darts(), space, shares)["node"] == ("1", "2")

    def test_an_open_number_of_inputs_without_none_keeps_as_many_as_it_may(self) -> None:
        space = node(("conv", "skip"), inputs=3, low=1, high=2)
        shares = {"0.op": [0.5, 0.5], "1.op": [0.1, 0.9], "2.op": [0.2, 0.8]}
        assert derived(Darts(), space, shares)["node"] == ("1", "2")

    def test_only_active_labels_are_derived(self) -> None:
        depths = tuple(
            Option(n, tuple(layer(f"{i}.op", "x", "y") for i in range(n))) for n in (1, 2, 3)
        )
        space = Space((Choice("body", "repeat", OneOf(depths)),))
        shares = {"body": [0.2, 0.5, 0.3], "0.op": [0.4, 0.6], "1.op": [0.7, 0.3]}
        found = derived(Darts(), space, shares)
        assert found == {"body": 2, "0.op": "y", "1.op": "x"}

    def test_bad_ways_to_treat_none_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="none must be one of auto, always, never"):
            Darts(none="maybe")  # type: ignore[arg-type]


class TestDecisions:
    def test_tied_labels_are_one_parameter(self) -> None:
        op = layer("op", "x", "y")
        space = Space((layer("first", "a", "b"), op, Choice("side", "layer", _opening(op))))
        gates = Darts()
        gates.setup(space, seed=0)
        assert set(gates.parameters()) == {"first", "op", "side"}

    def test_choices_of_one_outcome_take_it(self) -> None:
        both = SomeOf((Option("a"), Option("b")), 2, 2)
        space = Space((layer("only", "x"), Choice("all", "subset", both), layer("op", "x", "y")))
        for method in (Darts, Gdas, ProxylessNas):
            gates = method()
            gates.setup(space, seed=0)
            assert set(gates.parameters()) == {"op"}
            (path,) = gates.paths(np.random.default_rng(0))
            assert (path["only"], path["all"]) == ("x", ("a", "b"))

    @pytest.mark.parametrize("method", LEARNED)
    def test_endless_values_are_refused_with_the_mend(self, method: type[Learned]) -> None:
        for domain, number in ((uniform(0, 0.5), "endlessly many"), (integers(1, 100), "100")):
            space = Space((Choice("head.drop", "value", domain), layer("op", "x", "y")))
            with pytest.raises(ConfigError, match=f"'head.drop' has {number}.*pinned=.*spos"):
                method().setup(space, seed=0)

    @pytest.mark.parametrize("method", LEARNED)
    def test_settings_of_the_training_are_refused(self, method: type[Learned]) -> None:
        space = Space((layer("op", "x", "y"),)).joint(**{"train.lr": [0.1, 0.01]})
        with pytest.raises(ConfigError, match=r"'train\.lr' sets the training"):
            method().setup(space, seed=0)

    @pytest.mark.parametrize("method", LEARNED)
    def test_a_space_without_a_decision_is_refused(self, method: type[Learned]) -> None:
        with pytest.raises(ConfigError, match="has none"):
            method().setup(Space((layer("only", "x"),)), seed=0)

    def test_parameters_of_another_space_are_refused(self) -> None:
        gates = Darts()
        gates.setup(Space((layer("op", "x", "y"),)), seed=0)
        state = gates.state()
        gates.setup(Space((layer("pool", "x", "y"),)), seed=0)
        with pytest.raises(ConfigError, match="belong to another space: 'op'"):
            gates.restore(state)

    def test_the_seed_decides_where_alphas_begin(self) -> None:
        space = Space((layer("op", "x", "y", "z"),))
        starts = []
        for seed in (0, 0, 1):
            gates = Darts()
            gates.setup(space, seed=seed)
            starts.append(gates.parameters()["op"].tolist())
        assert starts[0] == starts[1] != starts[2]
        assert max(map(abs, starts[0])) < 0.01


def _opening(choice: Choice) -> OneOf:
    return OneOf((Option("plain"), Option("opens", (choice,))))
