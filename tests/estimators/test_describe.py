"""Estimators as data, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archloom.errors import ConfigError
from archloom.estimators import (
    Candidate,
    Cost,
    Repeat,
    Train,
    combine,
    describe,
    from_config,
    rebuild_estimator,
)


def mine(candidate: Candidate) -> dict[str, float]:
    return {"accuracy": 1.0}


@pytest.mark.parametrize(
    "estimator",
    [
        Train(epochs=7, lr=0.01, patience=2),
        Cost(latency=True),
        combine(Train(), Cost(flops=False)),
        Repeat(combine(Train(epochs=1), Cost()), times=4),
        mine,
        combine(Train(), mine),
    ],
)
def test_there_and_back(estimator: Any) -> None:
    described = json.loads(json.dumps(describe(estimator)))
    assert rebuild_estimator(described) == estimator


def test_names() -> None:
    assert describe(Train(epochs=2))["name"] == "train"
    assert describe(Train(epochs=2))["epochs"] == 2
    assert describe(mine) == {"name": f"{mine.__module__}:mine"}


def test_what_cannot_be_rebuilt() -> None:
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        from_config("trian", {})
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        from_config("train", {"epoch": 3})
    with pytest.raises(ConfigError, match="needs a name"):
        rebuild_estimator({"epochs": 3})
    with pytest.raises(ConfigError, match="takes no settings"):
        from_config(f"{mine.__module__}:mine", {"epochs": 3})
    described = describe(lambda candidate: {"accuracy": 1.0})
    with pytest.raises(ConfigError, match="top level of a module"):
        rebuild_estimator(described)
    with pytest.raises(ConfigError, match="cannot be imported"):
        from_config("no_such_module:thing", {})
