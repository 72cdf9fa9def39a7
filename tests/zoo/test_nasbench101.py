"""The NAS-Bench-101 space against published parameter counts."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from members import check_gradients, count

from archloom.errors import ConfigError
from archloom.nn.cells import from_nasbench101
from archloom.testing import check_model_space
from archloom.zoo import nasbench101

SMALL = {"width": 8, "cells": 1, "classes": 3}
CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
# From the data set's documents: its first cell, and the cell like Inception's of its example.
PUBLISHED = {
    8_555_530: (
        [(0, 1), (0, 4), (0, 5), (1, 2), (2, 3), (2, 6), (3, 5), (4, 5), (5, 6)],
        [CONV3, POOL, CONV3, CONV3, CONV1],
    ),
    2_694_282: (
        [(0, 1), (0, 2), (0, 3), (0, 5), (1, 6), (2, 6), (3, 4), (4, 6), (5, 6)],
        [CONV1, CONV3, CONV3, CONV3, POOL],
    ),
}


@pytest.mark.parametrize("number", PUBLISHED)
def test_published_numbers_of_parameters(number: int) -> None:
    edges, inner = PUBLISHED[number]
    matrix = [[int((i, j) in edges) for j in range(7)] for i in range(7)]
    point = from_nasbench101(matrix, ["input", *inner, "output"])
    nasbench101.space.check(point)
    assert count(nasbench101.build(point, device="meta")) == number


def test_the_smallest_network() -> None:
    """A cell of an edge alone: nine projections between the stem and the classifier."""
    point = from_nasbench101([[0, 1], [0, 0]], ["input", "output"])
    widths = [128, 128, 128, 128, 256, 256, 256, 512, 512, 512]
    projections = sum(a * b + 2 * b for a, b in pairwise(widths))
    number = 3 * 9 * 128 + 2 * 128 + projections + 512 * 10 + 10
    assert count(nasbench101.build(point, device="meta")) == number


@pytest.mark.parametrize("shape", [(2, 7, 5), (3, 64, 64)])
def test_images_of_many_shapes(shape: tuple[int, int, int]) -> None:
    nasbench101(shape=shape, **SMALL).verify(torch.zeros(2, *shape), (2, 3))


def test_contract() -> None:
    check_model_space(nasbench101(shape=(1, 8, 8), **SMALL), torch.zeros(2, 1, 8, 8), samples=2)


def test_every_weight_is_trained() -> None:
    check_gradients(nasbench101(shape=(1, 8, 8), **SMALL), torch.zeros(2, 1, 8, 8), samples=4)


@pytest.mark.parametrize("settings", [{"cells": 0}, {"width": 0}, {"shape": (13,)}])
def test_bad_settings(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="nasbench101"):
        _ = nasbench101(**settings).space
