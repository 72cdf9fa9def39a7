"""Spaces as data: a tree of choices, and everything that can be asked of it."""

from __future__ import annotations

from archloom.space._numbers import Floats, Integers, integers, log_uniform, uniform
from archloom.space._prior import Prior
from archloom.space._space import Space
from archloom.space._tree import Choice, Domain, Kind, OneOf, Option, SomeOf

__all__ = [
    "Choice",
    "Domain",
    "Floats",
    "Integers",
    "Kind",
    "OneOf",
    "Option",
    "Prior",
    "SomeOf",
    "Space",
    "integers",
    "log_uniform",
    "uniform",
]
