"""Inheriting weights: what corresponds, what is copied, and functions that are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.nn import ModelSpace, Pick, concat, kin, model_space, residual
from archloom.train import inherit
from archloom.zoo import small_cnn


@model_space
def convnet(pick: Pick) -> nn.Module:
    """Widths, kernels and depths, with and without shortcuts, concatenation and flattening."""
    width = pick.value("width", [4, 6, 10])
    kernel = pick.value("kernel", [1, 3, 5])
    kind = pick.value("kind", ["plain", "shortcut", "branches"])

    def conv(before: int, after: int, size: int = kernel) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(before, after, size, padding=size // 2),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )

    def block() -> nn.Module:
        if kind == "shortcut":
            return nn.Sequential(residual(conv(width, width)[:2]), nn.ReLU())
        return conv(width, width)

    body = pick.repeat("depth", lambda pick: block(), 1, 3)
    middle: nn.Module = nn.Identity()
    wide = width
    if kind == "branches":
        middle, wide = concat(conv(width, width), conv(width, 3, 1)), width + 3
    return nn.Sequential(
        conv(2, width, 3),
        body,
        middle,
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(wide * 9, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    )


def architecture(**values: Any) -> Architecture:
    plain = {"width": 4, "kernel": 3, "kind": "plain", "depth": 1}
    return Architecture({**plain, **values})


@pytest.fixture
def inputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(16, 2, 6, 6)


def trained(space: ModelSpace, of: Architecture) -> nn.Module:
    """Build a model with statistics and scales that are not those of a fresh one."""
    torch.manual_seed(2)
    model = space.build(of)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(part.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return model


def born(
    space: ModelSpace, new: Architecture, old: Architecture, how: Any, x: Any, **more: Any
) -> Any:
    """Give the child, the parent and what was inherited."""
    parent = trained(space, old)
    torch.manual_seed(3)
    child = space.build(new)
    found = inherit(child, parent, kin(space, new, old), how, inputs=x, **more)
    return child.eval(), parent.eval(), found


# -- what corresponds ----------------------------------------------------------------------------


def test_bodies_are_found_by_their_place_though_names_shift() -> None:
    new, old = architecture(depth=3), architecture()
    found = kin(convnet, new, old)
    assert found.new == ("1.1", "1.2")
    assert found.pairs["1.0.0"] == "1.0.0"
    assert found.pairs["7"] == "7"


@model_space
def flat(pick: Pick) -> nn.Module:
    """Bodies and a layer that may be missing, in one row."""
    bodies = pick.repeat("depth", lambda pick: nn.Linear(4, 4), 1, 3, join=nn.ModuleList)
    dropout = [nn.Dropout(0.5)] if pick.value("drop", [False, True]) else []
    return nn.Sequential(*bodies, *dropout, nn.Linear(4, 2))  # type: ignore[arg-type]


def test_what_stands_between_is_found_by_kind_and_order() -> None:
    new = Architecture({"depth": 2, "drop": True})
    old = Architecture({"depth": 3, "drop": False})
    assert kin(flat, new, old).pairs == {"": "", "0": "0", "1": "1", "3": "3"}


# -- overlap -------------------------------------------------------------------------------------


def test_an_equal_architecture_takes_everything(inputs: Tensor) -> None:
    child, parent, found = born(convnet, architecture(), architecture(), "overlap", None)
    assert found.share == 1
    assert torch.equal(child(inputs), parent(inputs))


def test_first_channels_and_the_middle_of_kernels_are_copied() -> None:
    child, parent, found = born(
        convnet, architecture(width=6, kernel=5), architecture(), "overlap", None
    )
    new, old = child[1][0][0].weight, parent[1][0][0].weight
    assert torch.equal(new[:4, :4, 1:4, 1:4], old)
    torch.manual_seed(3)
    fresh = convnet.build(architecture(width=6, kernel=5))[1][0][0].weight  # type: ignore[index, union-attr]
    assert torch.equal(new[4:], fresh[4:])
    assert 0 < found.share < 1


def test_smaller_children_take_what_they_have_room_for() -> None:
    child, parent, _ = born(convnet, architecture(), architecture(width=10), "overlap", None)
    assert torch.equal(child[0][0].weight, parent[0][0].weight[:4])


# -- functions that are kept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (architecture(width=10), architecture()),
        (architecture(width=6), architecture()),
        (architecture(kernel=5), architecture(kernel=1)),
        (architecture(depth=3), architecture()),
        (architecture(width=6, depth=2, kernel=5), architecture()),
        (architecture(kind="shortcut", width=10), architecture(kind="shortcut")),
        (architecture(kind="shortcut", depth=3), architecture(kind="shortcut", depth=2)),
        (architecture(kind="branches", width=6), architecture(kind="branches")),
    ],
    ids=str,
)
def test_growing_keeps_the_function(new: Architecture, old: Architecture, inputs: Tensor) -> None:
    child, parent, found = born(convnet, new, old, "net2net", inputs, noise=0)
    assert found.preserved
    assert found.share == 1
    other = torch.randn(5, 2, 6, 6)
    torch.testing.assert_close(child(other), parent(other), rtol=1e-3, atol=1e-4)
    before = [len(list(model.parameters())) for model in (parent, child)]
    assert before[0] <= before[1]


def test_new_norms_keep_the_function_in_training_too(inputs: Tensor) -> None:
    child, parent, _ = born(convnet, architecture(depth=2), architecture(), "net2net", inputs)
    body, seen = child[1][1].train(), parent[1](parent[0](inputs))
    torch.testing.assert_close(body(seen), seen, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (architecture(), architecture(width=10)),
        (architecture(kernel=1), architecture(kernel=3)),
        (architecture(), architecture(depth=2)),
        (architecture(kind="branches"), architecture()),
        (architecture(kind="branches", width=6), architecture()),
    ],
    ids=str,
)
def test_where_the_change_does_not_allow_it_the_overlap_stays(
    new: Architecture, old: Architecture, inputs: Tensor
) -> None:
    child, _, found = born(convnet, new, old, "net2net", inputs)
    expected, _, plain = born(convnet, new, old, "overlap", None)
    assert found.preserved is False
    assert found.share == plain.share
    for name, tensor in child.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name]), name


def test_noise_tells_copies_apart_and_is_small(inputs: Tensor) -> None:
    child, parent, found = born(
        convnet, architecture(width=10), architecture(), "net2net", inputs, noise=0.01
    )
    assert found.preserved
    rows = child[0][0].weight.flatten(1)
    assert len({tuple(row.tolist()) for row in rows}) == 10
    assert torch.equal(rows[:4], parent[0][0].weight.flatten(1))
    with torch.no_grad():
        change = (child(inputs) - parent(inputs)).abs().max() / parent(inputs).abs().max()
    assert 0 < float(change) < 0.1


def test_small_cnn_grows_too() -> None:
    space = small_cnn(shape=(1, 8, 8))
    old = space.space.complete({"stages": 2})
    new = space.space.complete({"stages": 2, "width": 32, "stages.0.extra": 1})
    x = torch.randn(16, 1, 8, 8)
    child, parent, found = born(space, new, old, "net2net", x, noise=0)
    assert found.preserved
    torch.testing.assert_close(child(x), parent(x), rtol=1e-3, atol=1e-4)
