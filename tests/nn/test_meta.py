"""What the meta device skips must not hide a mistake."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from archloom.errors import SpaceError
from archloom.nn import model_space
from archloom.nn._meta import on_meta


@model_space
def normed(pick: Any, width: int = 4) -> nn.Module:
    act = pick.layer("act", {"relu": nn.ReLU, "skip": nn.Identity})
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(width), act)


def test_a_norm_of_another_width_is_found() -> None:
    normed.verify(torch.zeros(2, 1, 5, 5), (2, 4, 5, 5))
    with pytest.raises(SpaceError, match="running_mean"):
        normed(width=3).verify(torch.zeros(2, 1, 5, 5))


def test_shapes_dtypes_and_layouts_are_those_of_torch() -> None:
    norm, x = nn.BatchNorm2d(4), torch.zeros(2, 4, 5, 5).to(memory_format=torch.channels_last)
    wanted = norm(x)
    with on_meta(), torch.no_grad():
        outputs = norm.to("meta")(x.to("meta")), functional.relu(x.to("meta"))
    for output in outputs:
        assert (output.shape, output.dtype) == (wanted.shape, wanted.dtype)
        assert output.stride() == wanted.stride()


def test_gradients_flow_where_they_are_wanted() -> None:
    with on_meta():
        x = torch.zeros(2, 4, 5, 5, requires_grad=True)
        functional.relu(nn.BatchNorm2d(4)(x)).sum().backward()
    assert x.grad is not None


def test_one_value_a_channel_is_still_an_error() -> None:
    with on_meta(), torch.no_grad(), pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm1d(4)(torch.zeros(1, 4))
