"""The NAS-Bench-201 space against the published table of its parameters and operations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from members import check_gradients, count, multiply_adds

from archloom.errors import ConfigError
from archloom.nn.cells import from_nasbench201
from archloom.testing import check_model_space
from archloom.zoo import nasbench201

TABLE = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "nas_bench_201_cifar10.npz"
SMALL = {"width": 4, "cells": 1, "classes": 3}
ALL_SKIP = (
    "|skip_connect~0|+|skip_connect~0|skip_connect~1|"
    "+|skip_connect~0|skip_connect~1|skip_connect~2|"
)


def test_parameters_and_operations_are_those_of_the_table() -> None:
    if not TABLE.exists():
        pytest.skip("the published table is not here")
    with np.load(TABLE) as table:
        texts, params, flops = (
            table[name] for name in ("arch_str", "params_m_cifar10", "flops_m_cifar10")
        )
    rows = [0, 1, 11, 284, *np.random.default_rng(0).choice(len(texts), 12, replace=False)]
    for row in rows:
        model = nasbench201.build(from_nasbench201(str(texts[row])), device="meta")
        assert count(model) == round(params[row] * 1e6)
        # The table counts multiply-adds, and the 10 additions of the classifier's bias.
        assert multiply_adds(model, 3, 32, 32) + 10 == round(flops[row] * 1e6)


def test_known_sizes() -> None:
    assert nasbench201.space.size == 15_625
    assert count(nasbench201.build(from_nasbench201(ALL_SKIP), device="meta")) == 73_306


def test_the_cell_is_the_same_everywhere_and_the_stages_are_three() -> None:
    model = nasbench201.build(nasbench201.space.default(), device="meta")
    shapes = []
    for stage in (model.stage0, model.stage1, model.stage2):
        assert len(stage) == 5
        stage.register_forward_hook(lambda module, args, output: shapes.append(output.shape[1:]))
    model(torch.empty(2, 3, 32, 32, device="meta"))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 7, 5), (1, 28, 28), (3, 64, 64), (3, 130, 140)])
def test_images_of_many_shapes(shape: tuple[int, int, int]) -> None:
    nasbench201(shape=shape, **SMALL).verify(torch.zeros(2, *shape), (2, 3))


def test_contract() -> None:
    check_model_space(nasbench201(shape=(1, 8, 8), **SMALL), torch.zeros(2, 1, 8, 8), samples=5)


def test_every_weight_is_trained() -> None:
    names = ("nor_conv_3x3", "skip_connect", "nor_conv_1x1")
    space = nasbench201(shape=(1, 8, 8), operations=names, **SMALL)
    check_gradients(space, torch.zeros(2, 1, 8, 8), samples=3)


def test_hints_of_a_task_do_not_touch_the_width() -> None:
    space = nasbench201.with_hints({"shape": (1, 8, 8), "channels": 1, "classes": 7})
    assert dict(space.settings) == {"shape": (1, 8, 8), "classes": 7}


@pytest.mark.parametrize("settings", [{"cells": 0}, {"width": True}, {"shape": (13,)}])
def test_bad_settings(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="nasbench201"):
        _ = nasbench201(**settings).space
