"""Model spaces: a function with choices, and what can be read from it."""

from __future__ import annotations

from archloom.nn._graph import add, concat, residual, scaled
from archloom.nn._kin import Kin, kin
from archloom.nn._load import load_space, yaml_space
from archloom.nn._model_space import ModelSpace, model_space
from archloom.nn._pick import Pick
from archloom.nn._reading import Reading
from archloom.nn._routing import Assignment, Gate, Weighted
from archloom.nn._share_check import unshareable, why_unshareable
from archloom.nn._supernet import Supernet
from archloom.nn._wired import wired

__all__ = [
    "Assignment",
    "Gate",
    "Kin",
    "ModelSpace",
    "Pick",
    "Reading",
    "Supernet",
    "Weighted",
    "add",
    "concat",
    "kin",
    "load_space",
    "model_space",
    "residual",
    "scaled",
    "unshareable",
    "why_unshareable",
    "wired",
    "yaml_space",
]
