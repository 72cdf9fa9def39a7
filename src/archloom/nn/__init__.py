"""Model spaces: a function with choices, and what can be read from it."""

from __future__ import annotations

from archloom.nn._graph import add, concat, residual, scaled
from archloom.nn._load import load_space, yaml_space
from archloom.nn._model_space import ModelSpace, model_space
from archloom.nn._pick import Pick
from archloom.nn._reading import Reading

__all__ = [
    "ModelSpace",
    "Pick",
    "Reading",
    "add",
    "concat",
    "load_space",
    "model_space",
    "residual",
    "scaled",
    "yaml_space",
]
