"""Every setting of a recipe is checked."""

from __future__ import annotations

from typing import Any

import pytest

from archloom.errors import ConfigError
from archloom.train import Recipe


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("epochs", 0, r"in \[1, inf\), got 0"),
        ("epochs", 2.5, "whole number, got 2.5"),
        ("epochs", True, "whole number, got True"),
        ("fraction", 0.0, r"in \(0, 1\], got 0"),
        ("fraction", 1.2, "got 1.2"),
        ("optimizer", "adan", "did you mean 'adam'"),
        ("optimizer", 3, "Known"),
        ("schedule", "cosin", "did you mean 'cosine'"),
        ("lr", 0, r"in \(0, inf\), got 0"),
        ("lr", float("nan"), "got nan"),
        ("lr", float("inf"), "got inf"),
        ("lr", "1e-3", r"write 1\.0e-3"),
        ("weight_decay", -0.1, "got -0.1"),
        ("momentum", 1.0, "got 1.0"),
        ("warmup", 1, "got 1"),
        ("batch_size", 0, "got 0"),
        ("augment", "yes", "True or False, got 'yes'"),
        ("augment", ["shift", "flop"], "no augmentation 'flop': did you mean 'flip'"),
        ("augment", [3], "no augmentation 3: Known"),
        ("augment", 0.5, "a list of operations, got 0.5"),
        ("augment_strength", 1.1, r"in \[0, 1\], got 1.1"),
        ("seconds", 0, r"in \(0, inf\), got 0"),
        ("seconds", "60", "a number, got '60'"),
        ("ema", 1.0, r"in \(0, 1\), got 1.0"),
        ("swa", 0.0, "got 0.0"),
        ("label_smoothing", 1.0, "got 1.0"),
        ("patience", 0, "got 0"),
        ("amp", "bf8", "did you mean 'bf16'"),
        ("channels_last", "always", "True or False"),
        ("clip", 0.0, "got 0.0"),
        ("restore_best", None, "True or False"),
        ("monitor", 3, "name of a metric"),
        ("epochs", None, "got None"),
    ],
)
def test_what_is_refused(setting: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe(**{setting: value})


def test_defaults_of_the_optimizers() -> None:
    assert Recipe(optimizer="adam").learning_rate == 1e-3
    assert Recipe(optimizer="adam").decay == 0.0
    assert Recipe(lr=0.5, weight_decay=0.25).learning_rate == 0.5
    assert Recipe(lr=0.5, weight_decay=0.25).decay == 0.25
    assert Recipe(schedule="cosine").rise == 0.0
    assert Recipe(schedule="cosine", warmup=0.1).rise == 0.1


def test_weights_are_averaged_in_one_way() -> None:
    with pytest.raises(ConfigError, match=r"ema=0.9 and swa=0.5: set one of them to None"):
        Recipe(ema=0.9, swa=0.5)


def test_operations_come_as_any_sequence() -> None:
    assert Recipe(augment=["shift"]) == Recipe(augment=("shift",))  # type: ignore[arg-type]
