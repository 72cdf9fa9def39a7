"""A fused supernet gives the numbers of the plain one: outputs, gradients, statistics."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from archloom.errors import ConfigError
from archloom.nn import ModelSpace, Supernet, Weighted, model_space
from archloom.nn.cells import DARTS_OPERATIONS, operations
from archloom.oneshot import fused
from archloom.zoo import darts

OPERATIONS = ("none", *DARTS_OPERATIONS)


def small(size: int = 12, cells: int = 3, width: int = 4, nodes: int = 2) -> Supernet:
    """A DARTS supernet with normal and reduction cells."""
    torch.manual_seed(0)
    space = darts(
        shape=(2, size, size), classes=3, width=width, cells=cells, nodes=nodes,
        operations=OPERATIONS, stem="cifar",
    )  # fmt: skip
    return space.supernet()


def weights(space: ModelSpace, seed: int = 1) -> dict[str, Tensor]:
    """Weights of all options of all choices, which do not sum to 1."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for label, choice in space.space.labels.items():
        count = len(choice.domain.options)  # type: ignore[union-attr]
        found[label] = torch.rand(count, generator=generator).requires_grad_()
    return found


def batch(size: int = 12, samples: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(samples, 2, size, size, generator=generator)


def numbers(
    supernet: nn.Module, x: Tensor, gates: Mapping[str, Any]
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and running statistics; gradients in inputs, gates and parameters."""
    x = x.clone().requires_grad_()
    out = supernet(x, gates=gates)
    leaves = [x, *(g for g in gates.values() if isinstance(g, Tensor)), *supernet.parameters()]
    gradients = torch.autograd.grad(out.square().sum(), leaves, allow_unused=True)
    found = [torch.zeros(1) if slope is None else slope for slope in gradients]
    return [out.detach(), *(b.clone() for b in supernet.buffers())], found


def close(found: list[Tensor], expected: list[Tensor], rel: float = 1e-4) -> bool:
    """Compare; what is nothing but rounding errors of larger numbers may differ."""
    pairs = list(zip(found, expected, strict=True))
    largest = max(float(b.abs().max()) for b in expected)
    return all(
        a.shape == b.shape
        and float((a - b).abs().max()) <= rel * (float(b.abs().max()) + 1e-3 * largest)
        for a, b in pairs
    )


@pytest.mark.parametrize("size", [12, 14, 15])  # odd halves and odd maps, too
def test_outputs_gradients_and_statistics_are_those_of_the_plain_supernet(size: int) -> None:
    plain = small(size).double()
    other = copy.deepcopy(plain)
    gates = {
        label: w.detach().double().requires_grad_() for label, w in weights(plain.space).items()
    }
    x = batch(size).double()
    expected = numbers(plain, x, gates)
    with fused(other) as number:
        found = numbers(other, x, gates)
    assert number == 3 * 5
    for one, two in zip(found, expected, strict=True):
        assert close(one, two, 1e-8)


@pytest.mark.parametrize("width", [4, 16])
def test_the_fast_kernels_of_float32_give_the_same(width: int) -> None:
    plain = small(14, width=width)
    other, gates, x = copy.deepcopy(plain), weights(plain.space), batch(14)
    expected = numbers(plain, x, gates)
    with fused(other) as number:
        found = numbers(other, x, gates)
    assert number == 3 * 5
    assert close(found[0], expected[0], 1e-4)
    assert close(found[1], expected[1], 1e-3)


def test_many_lanes_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = small()
    gates, x = weights(plain.space), batch()
    results = []
    for at_a_time in (1, 2**30):
        monkeypatch.setattr("archloom.oneshot._fused_fan._AT_A_TIME", at_a_time)
        other = copy.deepcopy(plain)
        with fused(other, check=False):
            results.append(numbers(other, x, gates))
    assert close(results[0][0], results[1][0])
    assert close(results[0][1], results[1][1], 1e-3)


def test_gradients_of_gradients_are_those_of_the_plain_supernet() -> None:
    plain = small(10, cells=1).double()
    other = copy.deepcopy(plain)
    gates = {k: w.detach().double().requires_grad_() for k, w in weights(plain.space).items()}
    x, alphas = batch(10).double(), list(gates.values())

    def mixed(supernet: nn.Module) -> list[Tensor]:
        parameters = list(supernet.parameters())
        loss = supernet(x, gates=gates).square().sum()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        product = sum(((i % 3 + 1) * g).sum() for i, g in enumerate(first))
        return list(torch.autograd.grad(product, [*alphas, *parameters]))

    expected = mixed(plain)
    with fused(other, check=False):
        found = mixed(other)
    assert close(found, expected, 1e-7)


def test_evaluation_uses_the_running_statistics() -> None:
    plain = small().double()
    gates = {k: w.detach().double() for k, w in weights(plain.space).items()}
    x = batch().double()
    plain(x, gates=gates)  # statistics that are not the first ones
    other = copy.deepcopy(plain.eval())
    with fused(other, check=False), torch.no_grad():
        found = other(x[:1], gates=gates)
    with torch.no_grad():
        expected = plain(x[:1], gates=gates)
    assert torch.allclose(found, expected, rtol=1e-9)
    assert close(list(other.buffers()), list(plain.buffers()), 0)


def test_inputs_may_be_chosen_without_a_weight() -> None:
    plain, x = small(), batch()
    gates: dict[str, Any] = dict(weights(plain.space))
    for label, choice in plain.space.space.labels.items():
        if choice.kind == "subset":
            gates[label] = tuple(option.value for option in choice.domain.options)  # type: ignore[union-attr]
    some = {**gates, "normal.node3": ("0", "2")}
    for assignment in (gates, some):
        one, other = copy.deepcopy(plain), copy.deepcopy(plain)
        expected = numbers(one, x, assignment)
        with fused(other, check=False):
            found = numbers(other, x, assignment)
        assert close(found[0], expected[0])
        assert close(found[1], expected[1], 1e-3)


def test_norms_in_two_modes_are_left_to_themselves() -> None:
    plain = small()
    frozen = next(m for m in plain.model.modules() if _is_in_a_lane(m))
    frozen.eval()
    other, gates, x = copy.deepcopy(plain), weights(plain.space), batch()
    expected = numbers(plain, x, gates)
    with fused(other, check=False):
        found = numbers(other, x, gates)
    assert close(found[0], expected[0])
    assert close(found[1], expected[1], 1e-3)


def _is_in_a_lane(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and len(module) == 8


def test_single_paths_run_bit_for_bit_as_before() -> None:
    supernet, x = small(), batch()
    path = supernet.space.space.default()
    expected = copy.deepcopy(supernet)(x, gates=path)
    with fused(supernet):
        found = supernet(x, gates=path)
    assert torch.equal(found, expected)


def test_some_weighted_options_and_partial_channels_run_as_before() -> None:
    supernet, x = small(), batch()
    gates: dict[str, Any] = dict(weights(supernet.space))
    some = {
        label: Weighted(("sep_conv_3x3", "skip_connect"), torch.tensor([0.6, 0.4]))
        if label.endswith(".op")
        else gate
        for label, gate in gates.items()
    }
    for assignment, partial in ((some, 1), (gates, 2)):
        plain = copy.deepcopy(supernet)
        with plain.routed(assignment, partial=partial):
            expected = plain(x)
        other = copy.deepcopy(supernet)
        with fused(other, check=False), other.routed(assignment, partial=partial):
            assert torch.equal(other(x), expected)


def test_all_is_undone_and_no_key_changes_meanwhile() -> None:
    supernet = small()
    keys, modules = list(supernet.state_dict()), list(supernet.modules())
    with pytest.raises(ConfigError), fused(supernet):
        _keep(supernet, keys, modules)
    assert not any("forward" in vars(module) for module in modules)


def _keep(supernet: Supernet, keys: list[str], modules: list[nn.Module]) -> None:
    assert list(supernet.state_dict()) == keys
    assert list(supernet.modules()) == modules
    supernet(batch(), gates={"unknown": 1})


def test_copies_pickles_and_other_weights_follow() -> None:
    supernet, x = small(), batch()
    gates = {label: w.detach() for label, w in weights(supernet.space).items()}
    doubled = {name: 2 * p.detach() for name, p in supernet.named_parameters()}
    expected = functional_call(copy.deepcopy(supernet), doubled, (x,), {"gates": gates})
    with fused(supernet, check=False):
        copied = copy.deepcopy(supernet)
        found = functional_call(copy.deepcopy(supernet), doubled, (x,), {"gates": gates})
        child = supernet.child(supernet.space.space.default())
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.mul_(2)
    assert torch.allclose(copied(x, gates=gates), expected, rtol=1e-3, atol=1e-4)
    assert isinstance(child, nn.Module)


def test_autocast_gives_about_the_same() -> None:
    supernet, x = small(), batch()
    gates = {label: w.detach() for label, w in weights(supernet.space).items()}
    expected = copy.deepcopy(supernet)(x, gates=gates)
    with fused(supernet), torch.autocast("cpu", dtype=torch.bfloat16):
        found = supernet(x, gates=gates)
    assert torch.allclose(found.float(), expected, atol=0.05 * float(expected.detach().abs().max()))


def test_a_map_is_shared_by_choices_only_within_one_forward() -> None:
    supernet, x = small(), batch()
    first = {label: w.detach() for label, w in weights(supernet.space).items()}
    second = {label: w.detach() for label, w in weights(supernet.space, 5).items()}
    supernet.eval()
    expected = [supernet(x, gates=gates) for gates in (first, second, first)]
    with fused(supernet, check=False):
        found = [supernet(x, gates=gates) for gates in (first, second, first)]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, expected, strict=True))
    assert not torch.allclose(expected[0], expected[1], atol=1e-4)


@model_space
def plain_choice(pick: Any, names: tuple[str, ...] = ("sep_conv_3x3", "skip_connect")) -> nn.Module:
    return nn.Sequential(pick.layer("op", operations(names, 4)), nn.ReLU())


def test_a_choice_outside_of_any_graph_is_fused_alone() -> None:
    supernet = plain_choice().supernet()
    x, gates = torch.randn(2, 4, 6, 6), {"op": torch.tensor([0.3, 0.7])}
    expected = copy.deepcopy(supernet)(x, gates=gates)
    with fused(supernet) as number:
        assert number == 1
        assert torch.allclose(supernet(x, gates=gates), expected, atol=1e-5)


def test_what_is_not_recognised_or_watched_is_left_alone() -> None:
    dense = plain_choice(names=("nor_conv_3x3", "skip_connect")).supernet()
    with fused(dense) as number:
        assert number == 0
    watched = plain_choice().supernet()
    calls = []
    sep = watched.model[0].option("sep_conv_3x3")  # type: ignore[index, operator]
    sep[2].register_forward_hook(lambda *_: calls.append(1))
    with fused(watched) as number:
        watched(torch.randn(2, 4, 6, 6), gates={"op": torch.tensor([0.5, 0.5])})
    assert (number, calls) == (0, [1])


def test_options_beside_the_recognised_ones_are_run_as_they_are() -> None:
    @model_space
    def beside(pick: Any) -> nn.Module:
        makes = dict(operations(["sep_conv_5x5", "dil_conv_5x5", "avg_pool_3x3"], 4))
        makes["own"] = lambda: nn.Conv2d(4, 4, 3, padding=1)
        makes["biased"] = lambda: nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1, groups=4),
            nn.Conv2d(4, 4, 1),
            nn.BatchNorm2d(4),
        )
        return pick.layer("op", makes)

    torch.manual_seed(0)
    plain = beside.supernet()
    other, gates, x = copy.deepcopy(plain), weights(plain.space), torch.randn(3, 4, 9, 8)
    expected = numbers(plain, x, gates)
    with fused(other) as number:
        found = numbers(other, x, gates)
    assert number == 1
    assert close(found[0], expected[0])
    assert close(found[1], expected[1], 1e-3)


def test_a_fused_supernet_can_be_pickled() -> None:
    supernet, x = plain_choice().supernet().eval(), torch.randn(2, 4, 6, 6)
    gates = {"op": torch.tensor([0.3, 0.7])}
    with fused(supernet):
        again = pickle.loads(pickle.dumps(supernet.model))
    assert sorted(again.state_dict()) == sorted(supernet.model.state_dict())
    del x, gates
