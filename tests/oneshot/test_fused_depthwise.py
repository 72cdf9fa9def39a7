"""Depthwise convolutions and their gradients against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from archloom.oneshot._fused_depthwise import depthwise, phases, side_by_side, unphased


def own(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    image = x.permute(0, 3, 1, 2)
    pad, groups = weight.shape[-1] // 2, len(weight)
    return functional.conv2d(image, weight, None, stride, pad, 1, groups).permute(0, 2, 3, 1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(2, 9), (5, 4), (12, 8)])
def test_values_and_gradients(size: tuple[int, int], kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, *size, 16, requires_grad=True)
    weight = torch.randn(16, 1, kernel, kernel, requires_grad=True)
    found, expected = depthwise(x, weight, stride), own(x, weight, stride)
    assert torch.allclose(found, expected, atol=1e-5)
    slope = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(found, [x, weight], slope),
        torch.autograd.grad(expected, [x, weight], slope),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-4 * float(b.abs().max()))


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_any_order(stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 5, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, weight: Tensor) -> Tensor:
        return depthwise(x, weight, stride)

    assert torch.autograd.gradcheck(run, [x, weight])
    assert torch.autograd.gradgradcheck(run, [x, weight])


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_dilated_convolution_is_a_plain_one_on_sub_maps(kernel: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 7, 10, 3), torch.randn(3, 1, kernel, kernel)
    pad = 2 * (kernel // 2)
    image = functional.conv2d(x.permute(0, 3, 1, 2), weight, None, 1, pad, 2, 3)
    found = unphased(depthwise(phases(x), weight), 7, 10)
    assert torch.allclose(found, image.permute(0, 2, 3, 1), atol=1e-5)


def test_lanes_read_the_same_map() -> None:
    x = torch.randn(2, 3, 3, 4)
    wide = side_by_side(x, 3)
    assert all(torch.equal(part, x) for part in wide.chunk(3, 3))
