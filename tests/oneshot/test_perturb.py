"""Perturbation takes what the supernet would miss, where the size of alphas misleads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from supernet_views import view
from torch import Tensor, nn

from archloom.architecture import Value
from archloom.errors import ConfigError
from archloom.nn import Pick, Supernet, model_space
from archloom.oneshot import Darts, Gdas, Perturbation, View, narrowed


class Times(nn.Module):
    """The input times a number for each column."""

    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("factors", factors)

    def forward(self, x: Tensor) -> Tensor:
        factors = self.factors
        assert isinstance(factors, Tensor)
        return x * factors


class Constant(nn.Module):
    """Loud, and the same for every sample."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) + torch.tensor([3.0, 0.0, 0.0])


SIGNAL, HALF = torch.ones(3), torch.tensor([1.0, 0.2, 0.0])


@model_space
def loud(pick: Pick) -> nn.Module:
    def edge(label: str) -> nn.Module:
        return pick.layer(
            label,
            {"loud": Constant, "half": lambda: Times(HALF), "signal": lambda: Times(10 * SIGNAL)},
        )

    return nn.Sequential(edge("first"), edge("second"))


def _alphas(gates: Darts, values: Mapping[str, list[float]]) -> None:
    with torch.no_grad():
        for label, numbers in values.items():
            gates.parameters()[label].copy_(torch.tensor(numbers))


def _misled(seed: int = 0) -> View:
    """A view in which the loud option has the largest alpha everywhere."""
    data = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    gates = Darts()
    seen = view(loud, gates, data=(data, data.argmax(1)), seed=seed)
    _alphas(gates, {"first": [2.0, 0.0, 1.0], "second": [2.0, 0.0, 1.0]})
    return seen


@pytest.mark.parametrize("seed", range(5))
def test_it_picks_the_best_operation_where_the_largest_alpha_is_not(seed: int) -> None:
    seen = _misled(seed)
    best = max(loud.space.enumerate(), key=seen.score)
    assert dict(best) == {"first": "signal", "second": "signal"}
    by_size = seen.gates.derive()
    assert by_size is not None
    assert dict(by_size) == {"first": "loud", "second": "loud"}
    found = Perturbation().derive(seen)
    assert found == best
    assert seen.score(found) == 1.0 > seen.score(by_size)


def test_the_supernet_is_tuned_between_decisions_with_what_is_decided() -> None:
    calls: list[tuple[dict[str, Value], int]] = []
    found = Perturbation(tune_epochs=3).derive(
        _misled(), lambda decided, epochs: calls.append((dict(decided), epochs))
    )
    [(decided, epochs)] = calls
    assert epochs == 3
    assert len(decided) == 1, "nothing is tuned after the last decision"
    assert decided.items() <= dict(found).items()
    together: list[Any] = []
    Perturbation(at_once=2).derive(_misled(), lambda decided, epochs: together.append(decided))
    assert together == []


def test_a_derivation_goes_on_from_its_decisions() -> None:
    seen, how = _misled(), Perturbation()
    first = how.decide(seen, {})
    second = how.decide(_misled(), first)
    assert how.decide(_misled(), {**first, **second}) == {}
    assert how.architecture(seen, {**first, **second}) == how.derive(seen)


def test_a_method_of_single_paths_is_judged_by_its_expected_mixture() -> None:
    seen = _misled()
    gates = Gdas()
    other = view(loud, gates, seed=0)
    with torch.no_grad():
        for label in ("first", "second"):
            gates.parameters()[label].copy_(torch.tensor([2.0, 0.0, 1.0]))
    seen = View(**{**vars(seen), "gates": gates, "supernet": other.supernet})
    assert dict(Perturbation().derive(seen)) == {"first": "signal", "second": "signal"}


class Column(nn.Module):
    """One of the numbers, in its place."""

    def __init__(self, place: int, factor: float = 1.0) -> None:
        super().__init__()
        self._place, self._factor = place, factor

    def forward(self, x: Tensor) -> Tensor:
        only = torch.zeros_like(x)
        only[:, self._place] = self._factor * x[:, self._place]
        return only


class Summed(nn.Module):
    def __init__(self, parts: nn.ModuleDict) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, x: Tensor) -> Tensor:
        total = 0 * x
        for part in self.parts.values():
            total = total + part(x)
        return total


@model_space
def node(pick: Pick) -> nn.Module:
    """Two of three inputs, each with an operation; the class is in columns 0 and 2."""

    def edge(place: int) -> Callable[[Pick], nn.Module]:
        makes = {"none": lambda: Column(place, 0.0), "pass": lambda: Column(place, 4.0)}
        return lambda pick: pick.layer("op", makes)

    inputs = pick.subset("inputs", {str(place): edge(place) for place in range(3)}, 2)
    return Summed(inputs)


def _node(prepare: Callable[[Supernet], None] = lambda supernet: None) -> View:
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(2))
    gates = Darts()
    seen = view(node, gates, data=(x, 2 * (x[:, 2] > x[:, 0]).long()), prepare=prepare)
    _alphas(gates, {"inputs.1.op": [0.0, 3.0]})  # the useless input looks strongest
    return seen


def test_inputs_stay_that_the_supernet_would_miss() -> None:
    seen = _node()
    by_size = seen.gates.derive()
    assert by_size is not None
    assert "1" in str(by_size["inputs"])
    found = Perturbation().derive(seen)
    assert found["inputs"] == ("0", "2")
    assert dict(found) == {"inputs": ("0", "2"), "inputs.0.op": "pass", "inputs.2.op": "pass"}


def test_operations_are_decided_before_inputs_and_none_is_not_taken_on_them() -> None:
    how, decided = Perturbation(), {}
    seen = _node()
    for _ in range(3):
        news = how.decide(seen, decided)
        assert "inputs" not in news
        decided.update(news)
    assert set(decided.values()) == {"pass"}
    assert not how.is_last(seen, decided)
    assert set(how.decide(seen, decided)) == {"inputs"}


@model_space
def nested(pick: Pick) -> nn.Module:
    def deep(pick: Pick) -> nn.Module:
        return pick.layer("op", {"loud": Constant, "signal": lambda: Times(SIGNAL)})

    return pick.layer("way", {"deep": deep, "half": lambda: Times(HALF)})


def test_what_a_decision_closes_is_not_decided() -> None:
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(3))
    seen = view(nested, data=(x, (x * HALF).argmax(1)))
    assert Perturbation().decide(seen, {"way": "half"}) == {}
    inner = Perturbation().decide(seen, {"way": "deep"})
    assert len(inner) == 1
    assert Perturbation().architecture(seen, {**inner, "way": "half"})["way"] == "half"


def test_decided_labels_replace_gates() -> None:
    weights = torch.ones(2)
    assert narrowed({"a": weights, "b": weights}, {"a": "conv"}) == {"a": "conv", "b": weights}
    with pytest.raises(ConfigError, match="tune_epochs is a number from 0"):
        Perturbation(tune_epochs=-1)
    with pytest.raises(ConfigError, match="at_once is a number from 1"):
        Perturbation(at_once=0)
