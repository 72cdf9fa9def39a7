"""Cost: against arithmetic by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators import Candidate, Cost
from archloom.nn import Pick, model_space
from archloom.task import from_arrays

NONE = Architecture({})


@model_space
def mixed(pick: Pick) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


class LooksAtValues(nn.Module):
    """Its forward pass cannot run without data."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.sum()) > 1e9:
            return x[:, :2]
        out: torch.Tensor = self.layer(x)
        return out


@model_space
def stubborn(pick: Pick) -> nn.Module:
    return LooksAtValues()


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(7, 4, bias=False)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.a(first) + self.b(second)
        return out


@model_space
def both(pick: Pick) -> nn.Module:
    return Both()


def test_convolutions_and_linear_layers_by_hand() -> None:
    task = from_arrays(np.zeros((20, 3, 16, 16)), np.arange(20) % 10, valid=0.5, layout="NCHW")
    got = Cost().of(mixed, NONE, task)
    assert got["params"] == 3 * 8 * 9 + 2 * 8 + (8 * 9 + 8) + (8 * 10 + 10)
    first = 2 * (3 * 9) * 8 * 16 * 16  # a multiplication and an addition for every weight used
    grouped = 2 * 9 * 8 * 8 * 8
    assert got["flops"] == first + grouped + 2 * 8 * 10


def test_several_inputs() -> None:
    X = {"first": np.zeros((20, 5)), "second": np.zeros((20, 7))}
    task = from_arrays(X, np.arange(20) % 4)
    assert Cost().of(both, NONE, task) == {
        "params": 5 * 4 + 4 + 7 * 4,
        "flops": 2 * 5 * 4 + 2 * 7 * 4,
    }


def test_a_forward_pass_that_looks_at_values() -> None:
    task = from_arrays(np.zeros((20, 4)), np.arange(20) % 2)
    assert Cost().of(stubborn, NONE, task) == {"params": 10, "flops": 16}


def test_only_what_is_asked_for(candidate: Callable[..., Candidate], notes: Any) -> None:
    assert Cost(flops=False)(candidate()).keys() == {"params"}
    assert Cost(flops=False, latency=True, repeats=2)(candidate()).keys() == {
        "params",
        "latency_ms",
    }
    assert len(notes.values) == 1


def test_latency_is_measured_once(candidate: Callable[..., Candidate]) -> None:
    cost = Cost(latency=True, repeats=2)
    first, second = cost(candidate()), cost(candidate())
    assert first["latency_ms"] == second["latency_ms"] > 0
    other = cost(candidate({"width": 16}))
    assert other["params"] != first["params"]


@pytest.mark.parametrize("settings", [{"batch": 0}, {"repeats": 0}, {"repeats": 2.5}])
def test_bad_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="whole number from 1"):
        Cost(**settings)
