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
from archloom.estimators._memory import peak_activations
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
        "latency_ms_p90",
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


def test_peak_memory_by_hand() -> None:
    """While the batch norm runs: the image, the convolution's output and its own.

    On the meta device it gives two statistics of 8 channels beside, also in evaluation.
    """
    task = from_arrays(np.zeros((20, 3, 16, 16)), np.arange(20) % 10, valid=0.5, layout="NCHW")
    got = Cost(memory=True).of(mixed, NONE, task)
    least = 4 * (3 * 16 * 16 + 2 * 8 * 16 * 16)
    assert least <= got["memory"] <= least + 4 * 2 * 8


class Branches(nn.Module):
    """Holds its input until the sum, and one branch while the other one is computed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = torch.cat([x, x, x], 1)  # x and 3 x
        narrow = wide[:, :10].relu()  # x, 3 x and one more
        wide = wide + 1  # the old and the new one, and narrow: 8 x
        return narrow + wide.sum(1, keepdim=True) + x


def test_peak_memory_of_branches_and_views() -> None:
    inputs = torch.zeros(1, 10)
    assert peak_activations(Branches(), inputs) == 4 * 10 * (1 + 3 + 1 + 3)
    in_place = nn.Sequential(nn.Linear(10, 10), nn.ReLU(inplace=True), nn.Flatten())
    assert peak_activations(in_place, inputs) == 4 * 10 * 2


def test_peak_memory_needs_no_data_and_leaves_the_mode() -> None:
    model = nn.Sequential(nn.Linear(10, 30), nn.ReLU(), nn.Linear(30, 5))
    on_meta = peak_activations(model.to("meta"), torch.zeros(4, 10, device="meta"))
    assert on_meta == 4 * 4 * (10 + 30 + 30)
    assert model.training


def test_memory_of_a_forward_pass_that_looks_at_values() -> None:
    task = from_arrays(np.zeros((20, 4)), np.arange(20) % 2)
    assert Cost(memory=True).of(stubborn, NONE, task)["memory"] == 4 * (4 + 2)


def test_percentiles_are_of_the_same_passes(candidate: Callable[..., Candidate]) -> None:
    got = Cost(latency=True, repeats=9, percentiles=(10, 100))(candidate())
    assert got["latency_ms_p10"] <= got["latency_ms"] <= got["latency_ms_p100"]


def test_metrics_say_which_cost_is_needed() -> None:
    assert Cost.giving(["accuracy"]) == Cost()
    assert Cost.giving(["latency_ms_p90"]) == Cost(latency=True)
    wanted = Cost.giving(["memory", "latency_ms_p99", "latency_ms_p50"], flops=False)
    assert wanted == Cost(flops=False, memory=True, latency=True, percentiles=(50, 99))
    assert not Cost.measures("latency_ms_p0")
    assert not Cost.measures("latency_ms_p101")


@pytest.mark.parametrize("percentile", [0, 101, 50.0, True])
def test_bad_percentiles(percentile: Any) -> None:
    with pytest.raises(ConfigError, match="from 1 to 100"):
        Cost(percentiles=(percentile,))
