"""Candidates build by their seed; results of estimators are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from archloom.errors import ConfigError, TrialError
from archloom.estimators import Candidate, Cost, Train, check_estimator, checked_metrics
from archloom.space import Space


def test_the_seed_settles_the_weights(candidate: Callable[..., Candidate]) -> None:
    first, second = (candidate().build().state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = candidate(seed=5).build().state_dict()
    assert not torch.equal(first["0.weight"], other["0.weight"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (True, 1.0),
        (np.float32(0.25), 0.25),
        (np.int64(3), 3.0),
        (np.array([0.5]), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([2]), 2.0),
    ],
)
def test_numbers_of_any_kind(value: Any, expected: float) -> None:
    got = checked_metrics({"accuracy": value})
    assert got == {"accuracy": expected}
    assert type(got["accuracy"]) is float


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "got None of type NoneType. Is a return missing"),
        (0.5, "mapping of metrics"),
        ({}, "at least one metric"),
        ({"accuracy": "high"}, "'accuracy' must be a number, got 'high'"),
        ({"accuracy": None}, "must be a number, got None"),
        ({"accuracy": torch.zeros(2)}, "one number for each name"),
        ({"accuracy": 1j}, "must be a number"),
        ({3: 0.5}, "must be a text, got 3"),
        ({"": 0.5}, "must be a text"),
    ],
)
def test_results_that_are_refused(result: Any, message: str) -> None:
    with pytest.raises(TrialError, match=message):
        checked_metrics(result)


def test_what_is_no_estimator() -> None:
    empty = Space(())
    check_estimator(Cost(), empty)
    check_estimator(lambda candidate: {"accuracy": 1.0}, empty)
    with pytest.raises(ConfigError, match=r"write Train\(\)"):
        check_estimator(Train, empty)
    with pytest.raises(ConfigError, match="got 'train'"):
        check_estimator("train", empty)
