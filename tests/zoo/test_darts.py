"""The DARTS space: the paper's networks, and a network of the paper written as usual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from members import check_gradients, count, multiply_adds
from torch import Tensor, nn

from archloom.errors import ConfigError
from archloom.nn.cells import from_genotype
from archloom.testing import check_model_space
from archloom.zoo import darts

DARTS_V1 = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], reduce_concat=[2, 3, 4, 5])"
)
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
SMALL = {"width": 4, "cells": 3, "nodes": 2, "classes": 3}
FEW = ("sep_conv_3x3", "dil_conv_5x5", "skip_connect", "max_pool_3x3")


def test_the_number_of_genotypes() -> None:
    # Two of 2, 3, 4 and 5 states, and one of 7 operations for each of the 8 edges; two cells.
    assert darts.space.size == (1 * 3 * 6 * 10 * 7**8) ** 2
    assert darts(cells=20, width=36).space == darts.space


def test_the_networks_of_the_paper_have_their_published_size() -> None:
    cifar = darts(width=36, cells=20, pool_norm=False)
    second = cifar.build(from_genotype(DARTS_V2), device="meta")
    assert count(second) == 3_349_342
    assert round(count(cifar.build(from_genotype(DARTS_V1), device="meta")) / 1e6, 1) == 3.2
    large = darts(shape=(3, 224, 224), classes=1000, width=48, cells=14, pool_norm=False)
    model = large.build(from_genotype(DARTS_V2), device="meta")
    assert count(model) == 4_718_752
    assert multiply_adds(model, 3, 224, 224) < 600e6  # the limit of the mobile setting


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 7, 5), (1, 28, 28), (3, 64, 64), (3, 130, 140)])
def test_images_of_many_shapes(shape: tuple[int, int, int]) -> None:
    space = darts(shape=shape, operations=FEW, **SMALL)
    space.verify(torch.zeros(2, *shape), (2, 3))


def test_contract() -> None:
    space = darts(shape=(1, 8, 8), operations=FEW, **SMALL)
    check_model_space(space, torch.zeros(2, 1, 8, 8), samples=2)


def test_every_weight_is_trained() -> None:
    convs = ("sep_conv_3x3", "dil_conv_5x5", "skip_connect")
    check_gradients(
        darts(shape=(1, 8, 8), operations=convs, **SMALL), torch.zeros(2, 1, 8, 8), samples=2
    )


def test_all_operations_fit_everywhere() -> None:
    names = ("none", "conv_7x1_1x7", "conv_1x3_3x1", "max_pool_7x7", "sep_conv_7x7", "nor_conv_3x3")
    space = darts(shape=(1, 9, 9), operations=names, ends="loose", **SMALL)
    space.verify(torch.zeros(2, 1, 9, 9), (2, 3))


def test_only_torch_comes_out() -> None:
    model = darts.build(darts.space.sample(np.random.default_rng(0)), device="meta")
    assert all(type(module).__module__.startswith("torch") for module in model.modules())


def test_normal_and_reduction_cells_stand_where_the_paper_has_them() -> None:
    model = darts(width=4).build(darts.space.default())
    shapes = {}
    for number in range(8):
        cell = model.get_submodule(f"cells.{number}")
        cell.register_forward_hook(
            lambda module, args, output, number=number: shapes.update({number: output.shape})
        )
    model(torch.zeros(2, 3, 32, 32))
    sizes = [shapes[number][-1] for number in range(8)]
    widths = [shapes[number][1] for number in range(8)]
    assert sizes == [32] * 2 + [16] * 3 + [8] * 3
    assert widths == [16] * 2 + [32] * 3 + [64] * 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cells": 0}, "cells of darts"),
        ({"width": 2.5}, "width of darts"),
        ({"stem": "cifra"}, "'cifar'"),
        ({"operations": ["sep_conv_3x4"]}, "'sep_conv_3x3'"),
        ({"shape": (13,)}, "needs images"),
    ],
)
def test_bad_settings(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _ = darts(**settings).space


class Conv(nn.Sequential):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        conv = nn.Conv2d(before, after, 1, stride, bias=False)
        super().__init__(nn.ReLU(), conv, nn.BatchNorm2d(after))


class Reduce(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after // 2, 1, 2, bias=False)
        self.second = nn.Conv2d(before, after // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], 1))


def operation(name: str, width: int, stride: int) -> nn.Module:
    def depthwise(kernel: int, stride: int, dilation: int) -> list[nn.Module]:
        padding = dilation * (kernel - 1) // 2
        conv = nn.Conv2d(width, width, kernel, stride, padding, dilation, width, bias=False)
        return [nn.ReLU(), conv, nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)]

    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Reduce(width, width)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, padding=1)
    if name == "dil_conv_3x3":
        return nn.Sequential(*depthwise(3, stride, 2))
    return nn.Sequential(*depthwise(3, stride, 1), *depthwise(3, 1, 1))


class Cell(nn.Module):
    """The cell of a final network, as usually written."""

    def __init__(
        self,
        edges: Sequence[tuple[str, int]],
        before: tuple[int, int],
        width: int,
        stride: int,
        reduced_before: bool,
    ) -> None:
        super().__init__()
        self.edges = edges
        self.pre0 = (Reduce if reduced_before else Conv)(before[0], width)
        self.pre1 = Conv(before[1], width)
        self.ops = nn.ModuleList(
            operation(name, width, stride if state < 2 else 1) for name, state in edges
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        states = [self.pre0(first), self.pre1(second)]
        for at in range(0, len(self.edges), 2):
            a, b = (self.ops[at + i](states[self.edges[at + i][1]]) for i in range(2))
            states.append(a + b)
        return torch.cat(states[2:], 1)


class Network(nn.Module):
    def __init__(self, normal: list[tuple[str, int]], reduce: list[tuple[str, int]]) -> None:
        super().__init__()
        width, before = 4, (12, 12)
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12))
        self.cells = nn.ModuleList()
        for kind, after in ["nn", "nn", "rn", "nr", "rn", "nr"]:
            width *= 2 if kind == "r" else 1
            edges = reduce if kind == "r" else normal
            self.cells.append(Cell(edges, before, width, 2 if kind == "r" else 1, after == "r"))
            before = before[1], 4 * width
        self.head = nn.Linear(before[1], 10)

    def forward(self, x: Tensor) -> Tensor:
        first = second = self.stem(x)
        for cell in self.cells:
            first, second = second, cell(first, second)
        return self.head(second.mean((2, 3)))


def test_the_network_of_a_genotype_computes_what_the_paper_says() -> None:
    normal = [
        *(("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        *(("skip_connect", 0), ("sep_conv_3x3", 1), ("skip_connect", 0), ("dil_conv_3x3", 2)),
    ]
    reduce = [
        *(("max_pool_3x3", 0), ("max_pool_3x3", 1), ("max_pool_3x3", 1), ("skip_connect", 2)),
        *(("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 0), ("skip_connect", 2)),
    ]
    concat = "[2, 3, 4, 5]"
    normal_text = f"normal={normal}, normal_concat={concat}"
    point = from_genotype(f"Genotype({normal_text}, reduce={reduce}, reduce_concat={concat})")
    torch.manual_seed(0)
    # Of 6 cells the third and the fifth halve the map; the paper's code has them there, too.
    theirs = Network(normal, reduce)
    ours = darts(width=4, cells=6, pool_norm=False).build(point)
    mine, hand = ours.state_dict(), theirs.state_dict()
    assert [t.shape for t in mine.values()] == [t.shape for t in hand.values()]
    theirs.load_state_dict(dict(zip(hand, mine.values(), strict=True)))
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ours.train()(x), theirs.train()(x), atol=1e-5)
