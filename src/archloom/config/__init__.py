"""The settings of a search, from one YAML file and flags, and the experiment they describe."""

from __future__ import annotations

from archloom.config._experiment import make_experiment
from archloom.config._settings import (
    RetrainConfig,
    SearchConfig,
    checked_config,
    load_yaml,
    read_config,
)
from archloom.config._space import default_folder, default_space, make_space

__all__ = [
    "RetrainConfig",
    "SearchConfig",
    "checked_config",
    "default_folder",
    "default_space",
    "load_yaml",
    "make_experiment",
    "make_space",
    "read_config",
]
