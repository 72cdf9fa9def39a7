"""Networks designed by people: their published sizes, and that they run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from members import count

from archloom.errors import ConfigError
from archloom.nn import ModelSpace
from archloom.testing import check_model_space
from archloom.zoo import fcn, lenet5, mlp_resnet, resnet18, wide_resnet


@pytest.mark.parametrize(
    ("space", "parameters"),
    [
        (resnet18(shape=(3, 32, 32), classes=10), 11_173_962),
        (resnet18(shape=(3, 224, 224), classes=1000), 11_689_512),  # as in torchvision
        (lenet5(shape=(1, 32, 32)), 61_706),
        (lenet5(shape=(1, 28, 28)), 61_706),
        (fcn(shape=(1, 100), classes=2), 264_962),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModelSpace) else None,
)
def test_published_sizes(space: ModelSpace, parameters: int) -> None:
    assert space.space.size == 1
    assert count(space.build(space.space.default(), device="meta")) == parameters


@pytest.mark.parametrize(
    ("depth", "factor", "millions"),
    [(16, 4, 2.7), (16, 8, 11.0), (22, 8, 17.2), (16, 10, 17.1), (28, 10, 36.5)],
)
def test_published_wide_resnets(depth: int, factor: int, millions: float) -> None:
    """Sizes for CIFAR-10 from the paper and the repository of its authors."""
    point = {"depth": depth, "factor": factor, "dropout": 0.0}
    size = count(wide_resnet.build(point, device="meta"))
    assert size / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize(
    ("space", "shape"),
    [
        (resnet18, (3, 9, 7)),
        (resnet18, (1, 70, 64)),
        (wide_resnet(shape=(1, 12, 12)), (1, 12, 12)),
        (lenet5, (2, 12, 40)),
        (fcn, (3, 5)),
        (mlp_resnet, (13,)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModelSpace) else None,
)
def test_shapes(space: ModelSpace, shape: tuple[int, ...]) -> None:
    space(shape=shape, classes=3).verify(torch.zeros(2, *shape), (2, 3))


@pytest.mark.parametrize(
    ("space", "shape"), [(lenet5, (1, 28, 28)), (fcn, (1, 9)), (mlp_resnet, (8,))]
)
def test_contract(space: ModelSpace, shape: tuple[int, ...]) -> None:
    check_model_space(space(shape=shape), torch.zeros(2, *shape), samples=1)


@pytest.mark.parametrize(
    ("space", "shape", "said"),
    [
        (resnet18, (8,), "needs images of shape"),
        (wide_resnet, (8,), "needs images of shape"),
        (lenet5, (1, 8, 8), "at least 12x12, got 8x8"),
        (fcn, (8,), "needs series of shape"),
        (mlp_resnet, (1, 8), "needs rows of shape"),
    ],
)
def test_what_is_refused(space: ModelSpace, shape: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _ = space(shape=shape).space
