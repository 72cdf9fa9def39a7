"""Spaces say which of their architectures compute the same."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from archloom.architecture import Architecture
from archloom.nn import ModelSpace, model_space
from archloom.nn.cells import from_nasbench101, from_nasbench201
from archloom.zoo import darts, nasbench101, nasbench201, small_cnn


def test_nas_bench_201_has_6466_cells_of_which_no_two_are_one() -> None:
    canonical = nasbench201.canonical
    assert canonical is not None
    forms = {canonical(cell) for cell in nasbench201.space.enumerate()}
    assert len(forms) == 6466  # arXiv 2001.00326, section 2.1


def test_cells_of_nas_bench_101_may_be_renumbered() -> None:
    canonical = nasbench101.canonical
    assert canonical is not None
    matrix = np.zeros((4, 4), int)
    matrix[0, 1] = matrix[0, 2] = matrix[1, 3] = matrix[2, 3] = 1
    conv, pool = "conv3x3-bn-relu", "maxpool3x3"
    forms = {
        canonical(from_nasbench101(matrix.tolist(), ["input", *inner, "output"]))
        for inner in ([conv, pool], [pool, conv])
    }
    assert len(forms) == 1
    other = from_nasbench101(matrix.tolist(), ["input", conv, conv, "output"])
    assert canonical(other) not in forms


def test_equal_forms_of_darts_give_equal_numbers_of_parameters() -> None:
    small = darts(cells=3, width=4, nodes=2)
    canonical = small.canonical
    assert canonical is not None
    rng = np.random.default_rng(0)
    for _ in range(5):
        architecture = small.space.sample(rng)
        form, _ = canonical(architecture)  # type: ignore[misc]
        assert canonical(form) == canonical(architecture)
        count = [
            sum(weight.numel() for weight in small.build(there, device="meta").parameters())
            for there in (architecture, form)
        ]
        assert count[0] == count[1]


def test_a_space_without_twins_says_none() -> None:
    assert small_cnn.canonical is None


def test_pins_settings_and_processes_keep_it() -> None:
    pinned = nasbench201(cells=1).pinned({"cell.edge0to1": "none"})
    for space in (
        pinned,
        pickle.loads(pickle.dumps(pinned)),
        ModelSpace.from_json(pinned.to_json()),
    ):
        canonical = space.canonical
        assert canonical is not None
        whole = from_nasbench201("|none~0|+|skip_connect~0|none~1|+|none~0|none~1|none~2|")
        open_ones = {k: v for k, v in whole.items() if k != "cell.edge0to1"}
        first = Architecture(open_ones)
        second = Architecture({**open_ones, "cell.edge1to2": "nor_conv_3x3"})  # of a zero
        assert canonical(first) == canonical(second)


def test_training_settings_that_are_searched_along_count() -> None:
    canonical = nasbench201.joint(lr=[0.1, 0.2]).canonical
    assert canonical is not None
    cell = nasbench201.space.default()
    forms = {canonical(Architecture({**cell, "train.lr": lr})) for lr in (0.1, 0.2)}
    assert len(forms) == 2


@model_space(canonical=lambda architecture: sum(architecture.values()))  # type: ignore[arg-type]
def sums(pick: object) -> torch.nn.Module:
    first = pick.value("a", [1, 2])  # type: ignore[attr-defined]
    return torch.nn.Linear(first + pick.value("b", [1, 2]), 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1)])
def test_a_space_of_ones_own_names_a_function(a: int, b: int) -> None:
    assert sums.canonical is not None
    assert sums.canonical(Architecture({"a": a, "b": b})) == (3, Architecture({}))
