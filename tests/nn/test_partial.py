"""Partial channels: what PC-DARTS runs of a weighted choice."""

from __future__ import annotations

import copy

import pytest
import torch
from sharing import supernet_of
from torch import Tensor, nn
from torch.nn import functional

from archloom.errors import ConfigError
from archloom.nn import Pick, Weighted, model_space

WEIGHTS = torch.tensor([0.5, 0.3])


@model_space
def one(pick: Pick, width: int = 8, stride: int = 1, dims: int = 2) -> nn.Module:
    conv = (nn.Conv1d, nn.Conv2d)[dims - 1]
    pool = (nn.MaxPool1d, nn.MaxPool2d)[dims - 1]
    makes = {
        "conv": lambda: conv(width, width, 3, stride=stride, padding=1),
        "pool": lambda: pool(3, stride, 1),
    }
    return pick.layer("op", makes)


def shuffled(x: Tensor, groups: int) -> Tensor:
    n, channels, *size = x.shape
    return x.view(n, groups, channels // groups, *size).transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [6, 7])
def test_it_is_the_papers_formula(stride: int, size: int) -> None:
    supernet = supernet_of(one(stride=stride))
    conv = supernet.child({"op": "conv"})
    x = torch.randn(2, 8, size, size, generator=torch.Generator().manual_seed(0))
    first, others = x[:, :2], x[:, 2:]
    mixed = 0.5 * functional.conv2d(
        first, conv.weight[:2, :2], conv.bias[:2], stride, 1
    ) + 0.3 * functional.max_pool2d(first, 3, stride, 1)
    passed = others if stride == 1 else functional.max_pool2d(others, 2, 2, ceil_mode=size % 2 == 1)
    wanted = shuffled(torch.cat([mixed, passed], 1), 4)
    with supernet.routed({"op": WEIGHTS}, partial=4):
        torch.testing.assert_close(supernet(x), wanted)
    whole = 0.5 * conv(x) + 0.3 * functional.max_pool2d(x, 3, stride, 1)
    torch.testing.assert_close(supernet(x, gates={"op": WEIGHTS}), whole)


def test_only_the_first_weights_are_trained() -> None:
    supernet = supernet_of(one).train()
    with supernet.routed({"op": Weighted(("conv",), torch.ones(1))}, partial=2):
        supernet(torch.ones(1, 8, 4, 4)).square().sum().backward()
    gradient = supernet.get_parameter("model.options.conv.weight").grad
    assert gradient is not None
    assert gradient[:4, :4].abs().min() > 0
    assert gradient[4:].count_nonzero() == gradient[:, 4:].count_nonzero() == 0


def test_a_single_path_runs_whole() -> None:
    supernet = supernet_of(one)
    x = torch.rand(1, 8, 4, 4)
    with supernet.routed({"op": "conv"}, partial=4):
        assert torch.equal(supernet(x), supernet.child({"op": "conv"})(x))


def test_norms_and_depthwise_convolutions_follow() -> None:
    @model_space(name="tests:deep")
    def deep(pick: Pick) -> nn.Module:
        def separable() -> nn.Module:
            depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
            return nn.Sequential(depthwise, nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))

        return pick.layer("op", {"separable": separable, "skip": nn.Identity})

    supernet = supernet_of(deep)
    child = supernet.child({"op": "separable"})
    x = torch.rand(2, 8, 4, 4)
    hidden = functional.conv2d(x[:, :4], child[0].weight[:4], padding=1, groups=4)
    hidden = functional.conv2d(hidden, child[1].weight[:4, :4], child[1].bias[:4])
    norm = child[2]
    hidden = functional.batch_norm(
        hidden, norm.running_mean[:4], norm.running_var[:4], norm.weight[:4], norm.bias[:4]
    )
    mixed = 0.5 * hidden + 0.3 * x[:, :4]
    with supernet.routed({"op": WEIGHTS}, partial=2):
        torch.testing.assert_close(supernet(x), shuffled(torch.cat([mixed, x[:, 4:]], 1), 2))


def test_copies_and_children_after_partial_runs() -> None:
    supernet = supernet_of(one)
    x = torch.rand(1, 8, 4, 4)
    with supernet.routed({"op": WEIGHTS}, partial=4):
        wanted = supernet(x)
    twin = copy.deepcopy(supernet)
    with twin.routed({"op": WEIGHTS}, partial=4):
        assert torch.equal(twin(x), wanted)
    assert type(twin.child({"op": "conv"})) is nn.Conv2d
    assert torch.equal(twin.child({"op": "conv"})(x), supernet(x, gates={"op": "conv"}))


def test_series_and_channels_last() -> None:
    supernet = supernet_of(one(dims=1))
    with supernet.routed({"op": WEIGHTS}, partial=4):
        assert supernet(torch.rand(2, 8, 5)).shape == (2, 8, 5)
    supernet = supernet_of(one)
    x = torch.rand(2, 8, 4, 4).to(memory_format=torch.channels_last)
    with supernet.routed({"op": WEIGHTS}, partial=4):
        assert supernet(x).is_contiguous(memory_format=torch.channels_last)


def test_a_choice_inside_an_option_is_not_divided_twice() -> None:
    @model_space(name="tests:inner")
    def inner(pick: Pick) -> nn.Module:
        def both(pick: Pick) -> nn.Module:
            return pick.layer("in", {"one": nn.Identity, "two": nn.Identity})

        return pick.layer("op", {"both": both, "skip": nn.Identity})

    supernet = inner.supernet()
    x = torch.rand(1, 8, 2, 2)
    halves = torch.tensor([0.5, 0.5])
    with supernet.routed({"op": halves, "op.both.in": halves}, partial=4):
        torch.testing.assert_close(supernet(x), shuffled(x, 4))


def test_channels_that_cannot_be_divided() -> None:
    supernet = supernet_of(one(width=6))
    with (
        supernet.routed({"op": WEIGHTS}, partial=4),
        pytest.raises(ConfigError, match="channels can be divided by 4"),
    ):
        supernet(torch.rand(1, 6, 4, 4))


def test_options_that_change_the_channels() -> None:
    @model_space(name="tests:wider")
    def wider(pick: Pick) -> nn.Module:
        makes = {"a": lambda: nn.Conv2d(4, 8, 1), "b": lambda: nn.Conv2d(4, 8, 3, padding=1)}
        return pick.layer("op", makes)

    supernet = wider.supernet()
    with (
        supernet.routed({"op": WEIGHTS}, partial=2),
        pytest.raises(ConfigError, match="keep the number of channels, but those of 'op' do not"),
    ):
        supernet(torch.rand(1, 4, 4, 4))
