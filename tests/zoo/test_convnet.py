"""The default space for images and volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from members import call, check_gradients, count, multiply_adds, trained
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from archloom.errors import ConfigError
from archloom.nn import ModelSpace
from archloom.testing import check_model_space
from archloom.zoo import convnet

SHAPES = [(1, 28, 28), (3, 32, 48), (1, 8, 8), (2, 7, 5), (1, 1, 1), (3, 224, 224), (4, 28, 200)]
VOLUMES = [(1, 28, 28, 28), (2, 6, 20, 9)]


def point(space: ModelSpace, **settings: Any) -> dict[str, Any]:
    """A member: `block`, `kernel`, `depth` and `excited` are those of every stage."""
    stage = {"block": "basic", "kernel": 3, "depth": 1, "excited": False}
    stage |= {key: settings.pop(key) for key in list(settings) if key in stage}
    settings = {"stages": 3, **settings}
    per_stage = {f"stages.{i}.{key}": v for i in range(4) for key, v in stage.items()}
    given = {**per_stage, **settings}
    return dict(space.space.complete({}, lambda c: given.get(c.label, c.domain.default)))


@pytest.mark.parametrize("shape", [(1, 12, 12), (1, 4, 6, 5)])
def test_contract(shape: tuple[int, ...]) -> None:
    check_model_space(convnet(shape=shape), torch.zeros(2, *shape), samples=2)


@pytest.mark.parametrize("shape", [*SHAPES, *VOLUMES])
def test_shapes(shape: tuple[int, ...]) -> None:
    convnet(shape=shape, classes=3).verify(torch.zeros(2, *shape), (2, 3))


@pytest.mark.parametrize("shape", [(8,), (3, 50), (1, 0, 5), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"convnet needs images of shape .* got"):
        _ = convnet(shape=shape).space


@pytest.mark.parametrize(
    ("shape", "most"), [((1, 28, 28), 60e6), ((3, 64, 64), 60e6), ((1, 28, 28, 28), 240e6)]
)
def test_no_member_is_expensive(shape: tuple[int, ...], most: float) -> None:
    space, rng = convnet(shape=shape), np.random.default_rng(0)
    dearest = {"stages": 4, "work": 15 if most < 100e6 else 60, "kernel": 5}
    points = [space.space.sample(rng) for _ in range(4)]
    costs = [
        multiply_adds(space.build(one, device="meta"), *shape)
        for one in [*points, point(space, **dearest, depth=3)]
    ]
    assert max(costs) < 1.1 * most


def test_work_is_what_a_stage_may_cost() -> None:
    widths = []
    for work in (2, 4, 8, 15):
        model = convnet.build(point(convnet, work=work, stem="pooled"), device="meta")
        stage = model[2][0]
        widths.append(stage[0][0].body[0][0].out_channels)
        size, width = 14 * 14, widths[-1]

        def cost(w: int, size: int = size) -> int:
            return 2 * size * w * (9 * w + 50)

        assert cost(width) <= work * 1e6 < cost(width + 8)
    assert widths == sorted(set(widths))


def test_a_deeper_stage_is_a_thinner_one() -> None:
    shallow = convnet.build(point(convnet, depth=1), device="meta")
    deep = convnet.build(point(convnet, depth=3), device="meta")
    assert deep[0][0].out_channels < shallow[0][0].out_channels
    assert 0.5 < multiply_adds(deep, 1, 28, 28) / multiply_adds(shallow, 1, 28, 28) < 2


def test_residual_branches_begin_at_zero() -> None:
    torch.manual_seed(0)
    model = convnet.build(point(convnet, depth=2, stages=2, stem="full")).eval()
    stem, body = model[0], model[1]
    after = stem(torch.randn(2, 1, 28, 28))
    assert torch.equal(body[0](after), after)


@pytest.mark.parametrize("block", ["basic", "inverted", "convnext"])
@pytest.mark.parametrize("down", ["conv", "pool", "stride"])
def test_each_stage_halves_the_map(block: str, down: str) -> None:
    model = convnet.build(point(convnet, block=block, down=down, stages=4, stem="full"))
    x = model[0](torch.zeros(2, 1, 28, 28))
    sizes = []
    for stage in model[1]:
        x = stage(x)
        sizes.append(tuple(x.shape[2:]))
    assert sizes == [(28, 28), (14, 14), (7, 7), (4, 4)]


def test_squeeze_and_excitation_adds_its_weights() -> None:
    plain, excited = (point(convnet, stages=2, stem="full", excited=e) for e in (False, True))
    models = [convnet.build(one, device="meta") for one in (plain, excited)]
    more = 0
    for stage in models[0][1]:
        width = [m for m in stage.modules() if isinstance(m, nn.Conv2d)][-1].out_channels
        squeezed = max(width // 8, 4)
        more += 2 * width * squeezed + width + squeezed
    assert count(models[1]) - count(models[0]) == more


def test_gradients() -> None:
    check_gradients(convnet(shape=(2, 9, 9), classes=3), torch.zeros(2, 2, 9, 9))


def test_two_samples_of_one_value_are_enough_to_train() -> None:
    """Batch normalisation needs two values a channel, and global pooling leaves one an image."""
    space = convnet(shape=(1, 1, 1), classes=2)
    model = space.build(space.space.default()).train()
    assert call(model, torch.randn(2, 1, 1, 1)).shape == (2, 2)


def test_digits_are_learned() -> None:
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    labels = torch.tensor(data.target)
    torch.manual_seed(0)
    space = convnet(shape=(1, 8, 8), classes=10)
    model = space.build(point(space, work=2, stages=2))
    trained(model, images[:1400], labels[:1400], cross_entropy, 80)
    with torch.no_grad():
        assert (model(images[1400:]).argmax(1) == labels[1400:]).float().mean() > 0.9
