"""The spaces that ship: the contract, and facts that are known elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.utils.flop_counter import FlopCounterMode

from archloom import zoo
from archloom.errors import ConfigError
from archloom.nn import ModelSpace, load_space
from archloom.plugins import known
from archloom.testing import check_model_space

SPACES = [zoo.course_cnn, zoo.mlp, zoo.resnet, zoo.small_cnn]
IMAGE_SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8), (2, 7, 5), (1, 64, 64), (3, 130, 140)]


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.__name__)
def test_contract(space: ModelSpace) -> None:
    check_model_space(space, torch.zeros(2, 1, 28, 28), samples=5)


def test_all_that_ships_has_a_name() -> None:
    assert set(zoo.__all__) <= set(known("spaces"))


@pytest.mark.parametrize("name", sorted(known("spaces")))
def test_names(name: str) -> None:
    space = load_space(name)
    assert space.name == f"archloom.zoo:{name}"
    assert space.__doc__
    assert ModelSpace.from_json(space.to_json()) == space


@pytest.mark.parametrize("shape", IMAGE_SHAPES)
@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.__name__)
def test_images_of_many_shapes(space: ModelSpace, shape: tuple[int, ...]) -> None:
    space(shape=shape, classes=3).verify(torch.zeros(2, *shape), (2, 3))


def test_a_table_goes_to_the_perceptron() -> None:
    mlp = zoo.mlp.with_hints({"shape": (13,), "classes": 3, "features": 13})
    mlp.verify(torch.zeros(2, 13), (2, 3))
    for space in (zoo.small_cnn, zoo.resnet):
        with pytest.raises(ConfigError, match="needs images of shape"):
            _ = space(shape=(13,)).space


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.__name__)
def test_only_torch_comes_out(space: ModelSpace) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        for module in space.build(space.space.sample(rng), device="meta").modules():
            assert type(module).__module__.startswith("torch")


def test_small_cnn_stays_small() -> None:
    rng = np.random.default_rng(0)
    space = zoo.small_cnn
    largest = space.space.complete(
        {"width": 32, "kernel": 5, "stages": 3, "head.dense.hidden": 256},
        lambda choice: 1 if choice.label.endswith("extra") else choice.domain.default,
    )
    flops = []
    for architecture in (largest, *(space.space.sample(rng) for _ in range(10))):
        with FlopCounterMode(display=False) as counter:
            space.build(architecture, device="meta").eval()(
                torch.empty(1, 1, 28, 28, device="meta")
            )
        flops.append(counter.get_total_flops())
    assert max(flops) == flops[0] < 27e6


def test_every_relu_before_a_pooling_stands_in_its_sequential() -> None:
    """What lets the training loop swap the two, which is exact and faster."""
    model = zoo.small_cnn.build(zoo.small_cnn.space.default())
    pairs = [
        [type(layer) for layer in module][-2:]
        for module in model.modules()
        if isinstance(module, nn.Sequential) and nn.MaxPool2d in map(type, module)
    ]
    assert pairs == [[nn.ReLU, nn.MaxPool2d]] * 2


class Block(nn.Module):
    """The basic block of a CIFAR ResNet with projection shortcuts, as usually written."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(out)) + self.shortcut(x))


def resnet20() -> nn.Sequential:
    blocks = [
        Block(before, after, stride)
        for before, after, stride in [
            (16, 16, 1),
            (16, 16, 1),
            (16, 16, 1),
            (16, 32, 2),
            (32, 32, 1),
            (32, 32, 1),
            (32, 64, 2),
            (64, 64, 1),
            (64, 64, 1),
        ]
    ]
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def test_the_resnet_20_is_in_the_resnet_space() -> None:
    point = {"width": 16, "stages": 3}
    for stage in range(3):
        point |= {f"stages.{stage}.blocks": 3, f"stages.{stage}.kernel": 3}
        point |= {f"stages.{stage}.excited": False}
    ours = zoo.resnet(shape=(3, 32, 32)).build(point)
    theirs = resnet20()
    assert sum(p.numel() for p in ours.parameters()) == 272_474  # as published for this variant
    mine, hand = ours.state_dict(), theirs.state_dict()
    assert [t.shape for t in mine.values()] == [t.shape for t in hand.values()]
    theirs.load_state_dict(dict(zip(hand, mine.values(), strict=True)))
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-5)


def test_a_perceptron_of_known_size() -> None:
    point = {"activation": "relu", "norm": "none", "dropout": 0.0, "layers": 2}
    point |= {"layers.0.width": 512, "layers.1.width": 256}
    model = zoo.mlp.build(point)
    assert sum(p.numel() for p in model.parameters()) == 785 * 512 + 513 * 256 + 257 * 10
