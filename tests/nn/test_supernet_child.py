"""Law 3: a child has the keys and shapes of a build, and gives the supernet's output."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from sharing import SPACES, chain, nested, shapes_of, stacked, supernet_of
from torch import nn

from archloom.errors import InvalidArchitecture
from archloom.nn import Pick, model_space


@model_space
def twins(pick: Pick) -> nn.Module:
    makes = {"linear": lambda: nn.Linear(2, 2), "relu": nn.ReLU}
    return nn.Sequential(pick.layer("op", makes), pick.layer("op", makes))


@pytest.mark.parametrize("name", SPACES)
def test_every_child_is_its_build_and_gives_the_supernets_output(name: str) -> None:
    space, shape = SPACES[name]
    supernet = supernet_of(space, example=torch.zeros(shape))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for architecture in space.space.enumerate():
        child = supernet.child(architecture)
        assert shapes_of(child) == shapes_of(space.build(architecture))
        with torch.no_grad():
            torch.testing.assert_close(child(x), supernet(x, gates=architecture))


def test_a_child_is_a_copy_in_the_supernets_mode() -> None:
    supernet = supernet_of(chain)
    architecture = chain.space.default()
    child = supernet.child(architecture)
    assert not child.training
    assert supernet.train().child(architecture).training
    before = copy.deepcopy(supernet.state_dict())
    with torch.no_grad():
        for tensor in child.parameters():
            tensor.fill_(7)
    after = supernet.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_child_is_plain_torch() -> None:
    child = supernet_of(nested).child(nested.space.default())
    assert not [m for m in child.modules() if "archloom" in type(m).__module__]
    loaded = pickle.loads(pickle.dumps(child))
    assert shapes_of(loaded) == shapes_of(child)


def test_taking_a_child_leaves_the_random_state_alone() -> None:
    supernet = supernet_of(chain)
    state = torch.get_rng_state()
    supernet.child(chain.space.default())
    assert torch.equal(state, torch.get_rng_state())


def test_a_childs_dtype_is_the_supernets() -> None:
    supernet = supernet_of(chain).double()
    child = supernet.child(chain.space.default())
    assert {p.dtype for p in child.parameters()} == {torch.float64}
    on_meta = supernet.to("meta").child({"body": 1, "body.0.op": "skip"})
    assert {p.device.type for p in on_meta.parameters()} == {"meta"}


def test_weights_that_train_move_the_child() -> None:
    supernet = supernet_of(chain).train()
    architecture = chain.space.complete({"body": 2, "body.1.op": "skip"})
    x = torch.ones(4, 1, 5, 5)
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.5)
    first = supernet.child(architecture)
    supernet(x, gates=architecture).square().sum().backward()
    optimizer.step()
    second = supernet.child(architecture)
    assert not torch.equal(first[1][0][0].weight, second[1][0][0].weight)  # type: ignore[index]
    assert not torch.equal(first[1][0][1].running_mean, second[1][0][1].running_mean)  # type: ignore[index]


def test_an_architecture_of_another_space() -> None:
    supernet = supernet_of(chain)
    with pytest.raises(InvalidArchitecture, match=r"body\.0\.op"):
        supernet.child({"body": 1})


@pytest.mark.parametrize("name", SPACES)
def test_the_parameters_of_a_path_are_those_that_get_a_gradient(name: str) -> None:
    space, shape = SPACES[name]
    supernet = supernet_of(space)
    for architecture in list(space.space.enumerate())[::3]:
        supernet.zero_grad()
        supernet(torch.ones(shape, requires_grad=True), gates=architecture).sum().backward()
        used = {id(p) for p in supernet.path_parameters(architecture)}
        assert used == {id(p) for p in supernet.parameters() if p.grad is not None}


def test_one_label_in_two_places_has_two_sets_of_weights() -> None:
    supernet = twins.supernet()
    child = supernet.child({"op": "linear"})
    assert not torch.equal(child[0].weight, child[1].weight)  # type: ignore[index]
    assert len(supernet.path_parameters({"op": "linear"})) == 4
    assert supernet.path_parameters({"op": "relu"}) == []


def test_a_joins_own_weights_are_kept_for_each_depth() -> None:
    supernet = supernet_of(stacked)
    scales = [
        supernet.child(stacked.space.complete({"body": depth}))[1].scale.weight  # type: ignore[index]
        for depth in (0, 1, 2)
    ]
    assert not torch.equal(scales[0], scales[1])
    assert not torch.equal(scales[1], scales[2])
