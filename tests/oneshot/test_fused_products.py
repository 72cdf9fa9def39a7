"""Products for lanes side by side against one product for each lane."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archloom.oneshot._fused_products import (
    inner,
    inner_product,
    transformed,
    transformed_onto,
)

SHAPES = [(1, 5, 5), (3, 4, 6), (2, 20, 24)]  # one lane, narrow ones, wide ones


def lanes_of(wide: Tensor, lanes: int) -> list[Tensor]:
    return [part.reshape(-1, part.shape[3]) for part in wide.chunk(lanes, 3)]


@pytest.mark.parametrize(("lanes", "before", "after"), SHAPES)
def test_each_lane_meets_its_own_matrix(lanes: int, before: int, after: int) -> None:
    torch.manual_seed(0)
    wide = torch.randn(2, 3, 4, lanes * before)
    matrices, bias = torch.randn(lanes, before, after), torch.randn(lanes, after)
    plain, shifted = transformed(wide, matrices), transformed(wide, matrices, bias)
    onto = torch.ones(2, 3, 4, lanes * after)
    transformed_onto(onto, wide, matrices)
    for lane, own in enumerate(lanes_of(wide, lanes)):
        expected = own @ matrices[lane]
        assert torch.allclose(lanes_of(plain, lanes)[lane], expected, atol=1e-5)
        assert torch.allclose(lanes_of(shifted, lanes)[lane], expected + bias[lane], atol=1e-5)
        assert torch.allclose(lanes_of(onto, lanes)[lane], expected + 1, atol=1e-5)


@pytest.mark.parametrize(("lanes", "before", "after"), SHAPES)
def test_inner_products_lane_by_lane(lanes: int, before: int, after: int) -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 3, 5, lanes * before), torch.randn(2, 3, 5, lanes * after)
    found = inner(first, second, lanes)
    pairs = zip(lanes_of(first, lanes), lanes_of(second, lanes), strict=True)
    expected = torch.stack([one.t() @ other for one, other in pairs])
    assert found.shape == (lanes, before, after)
    assert torch.allclose(found, expected, atol=1e-5)


def test_products_of_many_rows_keep_their_digits() -> None:
    torch.manual_seed(0)
    x = torch.randn(12544, 8) + 1
    exact = x.double().t() @ x.double()
    assert float((inner_product(x, x) - exact).abs().max() / exact.abs().max()) < 5e-7
