"""Supernets: what runs under which gates, and that they are ordinary modules."""

from __future__ import annotations

import copy
import io
import pickle
from collections import Counter
from typing import Any

import pytest
import torch
from sharing import SPACES, baked, chain, listed, nested, stacked, supernet_of
from torch import Tensor, nn
from torch.func import functional_call

from archloom.errors import ConfigError, SpaceError
from archloom.nn import Pick, Supernet, Weighted, add, model_space

X = torch.linspace(-1, 1, 12).reshape(3, 4)


@model_space
def layers(pick: Pick) -> nn.Module:
    """One choice, whose output is the model's."""
    makes = {"big": lambda: nn.Linear(4, 4), "small": lambda: nn.Linear(4, 4), "skip": nn.Identity}
    return nn.Sequential(nn.Linear(4, 4), pick.layer("op", makes))


@model_space
def depths(pick: Pick) -> nn.Module:
    body = lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh())  # noqa: E731
    return pick.repeat("body", lambda pick: body(), 0, 3)


@model_space
def inputs(pick: Pick) -> nn.Module:
    edges = pick.subset("edges", dict.fromkeys("abc", lambda: nn.Linear(4, 4)), (1, 3))
    return add(*edges.values())


class Zero(nn.Module):
    gives_zeros = True

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


@model_space
def with_none(pick: Pick) -> nn.Module:
    makes = {"none": Zero, "linear": lambda: nn.Linear(4, 4), "nothing": Zero}
    return pick.layer("op", makes)


def calls(supernet: Supernet, kinds: tuple[type[nn.Module], ...], run: Any) -> Counter[str]:
    """Count which modules of these kinds run."""
    counted: Counter[str] = Counter()
    handles = [
        module.register_forward_hook(lambda *_, name=name: counted.update([name]))
        for name, module in supernet.named_modules()
        if isinstance(module, kinds)
    ]
    run()
    for handle in handles:
        handle.remove()
    return counted


def test_weights_of_a_layer_give_the_weighted_sum_of_the_children() -> None:
    supernet = supernet_of(layers)
    weights = torch.tensor([0.2, 0.5, 0.4])
    wanted = sum(
        weight * supernet.child({"op": name})(X)
        for weight, name in zip(weights, ("big", "small", "skip"), strict=True)
    )
    torch.testing.assert_close(supernet(X, gates={"op": weights}), wanted)


def test_weights_of_depths_give_the_weighted_sum_of_the_children() -> None:
    supernet = supernet_of(depths)
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4])
    wanted = sum(w * supernet.child({"body": depth})(X) for depth, w in enumerate(weights))
    counted = calls(
        supernet,
        (nn.Linear,),
        lambda: torch.testing.assert_close(supernet(X, gates={"body": weights}), wanted),
    )
    assert sorted(counted.values()) == [1, 1, 1]
    some = Weighted((2, 0), torch.tensor([0.5, 0.25]))
    wanted = 0.5 * supernet.child({"body": 2})(X) + 0.25 * X
    counted = calls(
        supernet,
        (nn.Linear,),
        lambda: torch.testing.assert_close(supernet(X, gates={"body": some}), wanted),
    )
    assert len(counted) == 2


def test_weights_of_inputs_give_the_weighted_sum() -> None:
    supernet = supernet_of(inputs)
    weights = torch.tensor([0.2, 0.0, 0.7])
    one = {name: supernet.child({"edges": (name,)})(X) for name in "abc"}
    wanted = 0.2 * one["a"] + 0.7 * one["c"]
    torch.testing.assert_close(supernet(X, gates={"edges": weights}), wanted)
    some = Weighted(("a", "c"), torch.tensor([0.2, 0.7]))
    torch.testing.assert_close(supernet(X, gates={"edges": some}), wanted)
    every = sum(one.values())
    torch.testing.assert_close(supernet(X, gates={"edges": ("a", "b", "c")}), every)


def test_weights_of_a_join_with_its_own_code() -> None:
    supernet = supernet_of(stacked.pinned({"body.0.op": "linear", "body.1.op": "tanh"}))
    weights = torch.tensor([0.3, 0.3, 0.4])
    wanted = sum(w * supernet.child({"body": depth})(X) for depth, w in enumerate(weights))
    torch.testing.assert_close(supernet(X, gates={"body": weights}), wanted)


def test_only_the_chosen_options_run() -> None:
    supernet = supernet_of(chain)
    x = torch.ones(2, 1, 5, 5)
    path = {"body": 2, "body.0.op": "conv3", "body.1.op": "skip"}
    counted = calls(supernet, (nn.Conv2d, nn.Identity), lambda: supernet(x, gates=path))
    assert counted == {
        "model.0": 1,
        "model.1.bodies.0.options.conv3.0": 1,
        "model.1.bodies.1.options.skip": 1,
    }
    two = Weighted(("skip", "res/1.0"), torch.tensor([1.0, 0.0]))
    path = {"body": 1, "body.0.op": two}
    counted = calls(supernet, (nn.Conv2d, nn.Identity), lambda: supernet(x, gates=path))
    assert len(counted) == 3
    assert not any("conv3" in name for name in counted)


def test_the_gradient_of_the_weights_is_what_each_option_adds() -> None:
    supernet = supernet_of(layers)
    weights = torch.tensor([0.2, 0.5, 0.3], requires_grad=True)
    supernet(X, gates={"op": weights}).sum().backward()
    wanted = [supernet.child({"op": name})(X).sum() for name in ("big", "small", "skip")]
    assert weights.grad is not None
    torch.testing.assert_close(weights.grad, torch.stack(wanted))


def test_a_straight_through_weight_carries_its_gradient() -> None:
    supernet = supernet_of(layers)
    alpha = torch.zeros(3, requires_grad=True)
    soft = alpha.softmax(0)
    hard = Weighted(("small",), (1 + soft[1] - soft[1].detach()).reshape(1))
    output = supernet(X, gates={"op": hard})
    torch.testing.assert_close(output, supernet(X, gates={"op": "small"}))
    output.sum().backward()
    assert alpha.grad is not None
    assert alpha.grad.count_nonzero() == 3


def test_zeros_are_not_run_and_add_nothing() -> None:
    supernet = supernet_of(with_none)
    weights = torch.tensor([0.5, 0.25, 0.25], requires_grad=True)
    counted = calls(
        supernet,
        (Zero, nn.Linear),
        lambda: torch.testing.assert_close(
            supernet(X, gates={"op": weights}), 0.25 * supernet.child({"op": "linear"})(X)
        ),
    )
    assert list(counted) == ["model.options.linear"]
    supernet(X, gates={"op": weights}).sum().backward()
    assert weights.grad is not None
    assert weights.grad[0] == 0
    only = Weighted(("nothing",), torch.ones(1))
    assert torch.equal(supernet(X, gates={"op": only}), torch.zeros_like(X))
    assert torch.equal(supernet(X, gates={"op": "none"}), torch.zeros_like(X))


def test_one_label_in_two_places_is_one_decision() -> None:
    supernet = supernet_of(baked)
    path = baked.space.complete({"tied.op": "tanh"})
    counted = calls(supernet, (nn.Tanh,), lambda: supernet(X, gates=path))
    assert {"model.0.options.tanh", "model.2.options.tanh"} <= set(counted)


def test_lists_of_bodies_and_inputs_look_like_those_of_the_path() -> None:
    supernet = supernet_of(listed)
    model: Any = supernet.model
    with supernet.routed(listed.space.complete({"body": 2, "edges": ("a", "c")})):
        assert len(model.bodies) == 2
        assert len(list(model.bodies)) == 2
        assert model.bodies[-1] is model.bodies.bodies[1]
        assert isinstance(model.bodies.__dict__["_joins"][2], nn.ModuleList)
        assert list(model.edges) == list(model.edges.keys()) == ["a", "c"]
        assert "b" not in model.edges
        assert model.edges["c"] is dict(model.edges.items())["c"]
        with pytest.raises(KeyError):
            model.edges["b"]
    assert len(model.bodies) == 3
    assert len(model.edges) == 3


def test_depths_cannot_be_weighted_where_code_goes_through_the_bodies() -> None:
    supernet = supernet_of(listed)
    gates = {**listed.space.default(), "body": torch.ones(3) / 3}
    with pytest.raises(ConfigError, match="'body' can be weighted only where"):
        supernet(X, gates=gates)


def test_routes_can_be_nested_and_end() -> None:
    supernet = supernet_of(layers)
    with supernet.routed({"op": "skip"}):
        first = supernet(X)
        with supernet.routed({"op": "big"}):
            second = supernet(X)
        assert torch.equal(supernet(X), first)
        assert torch.equal(supernet(X, gates={"op": "big"}), second)
    with pytest.raises(ConfigError, match="none were given"):
        supernet(X)


def test_a_route_ends_when_the_forward_fails() -> None:
    supernet = supernet_of(layers)
    with pytest.raises(RuntimeError):
        supernet(torch.ones(3, 5), gates={"op": "big"})
    with pytest.raises(ConfigError, match="none were given"):
        supernet(X)


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ({"opp": "big"}, "no choice 'opp': did you mean 'op'"),
        ({"op": "bigg"}, "no option 'bigg': did you mean 'big'"),
        ({"op": 1}, "no option 1"),
        ({"op": torch.ones(2)}, "'op' has 3 options and needs as many weights"),
        ({"op": Weighted(("bg",), torch.ones(1))}, "no option 'bg': did you mean 'big'"),
    ],
)
def test_wrong_gates_of_layers(gates: dict[str, Any], said: str) -> None:
    supernet = supernet_of(layers)
    with pytest.raises(ConfigError) as caught:
        supernet(X, gates=gates)
    assert said in str(caught.value)


@pytest.mark.parametrize("gate", [4, "2", (1,)])
def test_wrong_depths(gate: Any) -> None:
    with pytest.raises(ConfigError, match="The depth of 'body' must be 0 to 3"):
        supernet_of(depths)(X, gates={"body": gate})


@pytest.mark.parametrize(
    ("gate", "said"),
    [("a", "takes a tuple"), (("a", "d"), "no option 'd'"), (torch.ones(2), "3 options")],
)
def test_wrong_inputs(gate: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        supernet_of(inputs)(X, gates={"edges": gate})


def test_gates_that_leave_a_choice_of_the_path_out() -> None:
    supernet = supernet_of(chain)
    with pytest.raises(ConfigError, match=r"say nothing about 'body\.0\.op'"):
        supernet(torch.ones(1, 1, 5, 5), gates={"body": 1})


def test_pinned_labels_take_no_gate() -> None:
    supernet = supernet_of(chain, pinned={"body": 1})
    assert supernet.space == chain.pinned(body=1)
    assert list(supernet.space.space.labels) == ["body.0.op"]
    with pytest.raises(ConfigError, match="'body' is pinned to 1 in this supernet"):
        supernet(torch.ones(1, 1, 5, 5), gates={"body": 1, "body.0.op": "skip"})


def test_weighted_needs_a_weight_an_option() -> None:
    with pytest.raises(ConfigError, match="one weight for each"):
        Weighted(("a", "b"), torch.ones(1))


def test_outputs_of_unequal_shape_are_not_added() -> None:
    @model_space(name="tests:uneven")
    def uneven(pick: Pick) -> nn.Module:
        makes = {"one": lambda: nn.Linear(4, 1), "four": lambda: nn.Linear(4, 4)}
        return pick.layer("op", makes, same_shape=False)

    supernet = uneven.supernet(example=X)
    assert supernet(X, gates={"op": "one"}).shape == (3, 1)
    with pytest.raises(SpaceError, match=r"'four' of 'op' gives \(3, 4\) where 'one' gives"):
        supernet(X, gates={"op": torch.ones(2)})


def test_options_may_give_several_tensors() -> None:
    @model_space(name="tests:several")
    def several(pick: Pick) -> nn.Module:
        make = lambda: nn.GRU(4, 4, batch_first=True)  # noqa: E731
        return pick.layer("op", {"one": make, "two": make})

    supernet = supernet_of(several)
    x = X.reshape(1, 3, 4)
    output, state = supernet(x, gates={"op": torch.tensor([0.5, 0.5])})
    children = [supernet.child({"op": name})(x) for name in ("one", "two")]
    torch.testing.assert_close(output, (children[0][0] + children[1][0]) / 2)
    torch.testing.assert_close(state, (children[0][1] + children[1][1]) / 2)


@pytest.mark.parametrize("name", SPACES)
def test_copies_are_independent(name: str) -> None:
    space, shape = SPACES[name]
    supernet = supernet_of(space)
    twin = copy.deepcopy(supernet)
    loaded = pickle.loads(pickle.dumps(supernet)) if name != "unrolled" else twin
    architecture = list(space.space.enumerate())[-1]
    x = torch.ones(shape)
    wanted = supernet(x, gates=architecture)
    with supernet.routed(space.space.default()):  # which the copies do not hear of
        assert torch.equal(twin(x, gates=architecture), wanted)
        assert torch.equal(loaded(x, gates=architecture), wanted)
        with pytest.raises(ConfigError, match="none were given"):
            twin(x)
    with torch.no_grad():
        for tensor in twin.parameters():
            tensor.zero_()
    assert torch.equal(supernet(x, gates=architecture), wanted)
    assert all(not p.any() for p in twin.child(architecture).parameters())


def test_a_copy_made_inside_a_route_starts_without_one() -> None:
    supernet = supernet_of(layers)
    weights = torch.ones(3, requires_grad=True).softmax(0)  # no leaf, so that it has no deep copy
    with supernet.routed({"op": weights}):
        twin = copy.deepcopy(supernet)
    with pytest.raises(ConfigError, match="none were given"):
        twin(X)


@pytest.mark.parametrize("name", SPACES)
def test_weights_can_be_saved_and_loaded(name: str) -> None:
    space, shape = SPACES[name]
    supernet, other = supernet_of(space), supernet_of(space, seed=5)
    file = io.BytesIO()
    torch.save(supernet.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = torch.ones(shape)
    for architecture in list(space.space.enumerate())[:5]:
        assert torch.equal(other(x, gates=architecture), supernet(x, gates=architecture))


def test_every_weight_is_registered_once() -> None:
    supernet = supernet_of(chain)
    names = [name for name, _ in supernet.named_parameters(remove_duplicate=False)]
    assert len(names) == len(list(supernet.parameters())) == len(set(names))
    per_body = 4 * 4 * 9 + 8 + 4 * 4 + 8
    assert sum(p.numel() for p in supernet.parameters()) == 4 * 9 + 4 + 3 * per_body + 4 * 3 + 3


@pytest.mark.parametrize("name", SPACES)
def test_functional_call_uses_the_parameters_that_it_is_given(name: str) -> None:
    space, shape = SPACES[name]
    supernet, other = supernet_of(space), supernet_of(space, seed=5)
    x = torch.ones(shape)
    state = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    architecture = space.space.default()
    found = functional_call(supernet, state, (x,), {"gates": architecture})
    assert torch.equal(found, other(x, gates=architecture))
    assert not torch.equal(found, supernet(x, gates=architecture))


def test_second_order_gradients_go_through_weights_and_gates() -> None:
    supernet = supernet_of(layers).double()
    alpha = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    x = X.double()
    parameters = dict(supernet.named_parameters())

    def loss(weights: Tensor) -> Tensor:
        inner = supernet(x, gates={"op": weights}).square().mean()
        grads = torch.autograd.grad(
            inner, list(parameters.values()), create_graph=True, allow_unused=True
        )
        moved = {
            name: p - 0.1 * (torch.zeros_like(p) if g is None else g)
            for (name, p), g in zip(parameters.items(), grads, strict=True)
        }
        outer: Tensor = functional_call(supernet, moved, (x,), {"gates": {"op": weights}})
        return outer.square().mean()

    assert torch.autograd.gradcheck(loss, (alpha,))


def test_double_and_meta_and_channels_last() -> None:
    supernet = supernet_of(chain)
    gates = {"body": 2, "body.0.op": torch.ones(3) / 3, "body.1.op": "conv3"}
    x = torch.rand(2, 1, 6, 6)
    wanted = supernet(x, gates=gates)
    last = copy.deepcopy(supernet).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last), gates=gates), wanted)
    child = last.child({"body": 1, "body.0.op": "conv3"})
    assert child[1][0][0].weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[index]
    double = {n: g.double() if isinstance(g, Tensor) else g for n, g in gates.items()}
    assert copy.deepcopy(supernet).double()(x.double(), gates=double).dtype == torch.float64
    meta = copy.deepcopy(supernet).to("meta")
    on_meta = {n: g.to("meta") if isinstance(g, Tensor) else g for n, g in gates.items()}
    assert meta(x.to("meta"), gates=on_meta).shape == (2, 3)


def test_autocast() -> None:
    supernet = supernet_of(chain)
    weights = torch.full((3,), 1 / 3, requires_grad=True)
    gates = {"body": 2, "body.0.op": weights, "body.1.op": "res/1.0"}
    with torch.autocast("cpu", torch.bfloat16):
        output = supernet(torch.rand(2, 1, 6, 6), gates=gates)
    output.sum().backward()
    assert output.dtype == torch.bfloat16
    assert weights.grad is not None
    assert weights.grad.dtype == torch.float32


def test_every_option_trains() -> None:
    supernet = supernet_of(nested).train()
    for architecture in nested.space.enumerate():
        supernet(X.clone().requires_grad_(), gates=architecture).sum().backward()
    assert all(p.grad is not None for p in supernet.parameters())
