"""The plain settings of an experiment: what may be given, and the device that a name means."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from archloom.errors import ConfigError
from archloom.objective import Objective
from archloom.stages import Limits, Stage


def check_settings(
    stages: Sequence[Stage], objectives: Sequence[Objective], limits: Limits, workers: int
) -> None:
    """Raise `ConfigError` unless an experiment can have these settings."""
    if not stages:
        raise ConfigError("An experiment needs at least one stage, such as BlackBox(...).")
    if not objectives:
        raise ConfigError("An experiment needs at least one objective, such as 'accuracy'.")
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"Each stage needs a name of its own, got {names}: pass name= to one of them."
        )
    if limits.minutes is not None and limits.minutes <= 0:
        raise ConfigError(f"minutes must be positive, got {limits.minutes}.")
    if limits.failures < 1:
        raise ConfigError(f"max_failures must be at least 1, got {limits.failures}.")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"workers must be a whole number from 1, got {workers!r}.")


def find_device(name: str) -> torch.device:
    """Give the device of that name; "auto" takes a CUDA device if there is one, else the CPU.

    Raises:
        ConfigError: when it cannot be used here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"The device {name!r} cannot be used here: take 'auto', 'cpu', or where there is one "
            f"'cuda' (a second one is 'cuda:1')."
        ) from error
    return device
