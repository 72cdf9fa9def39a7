"""What the cells have in common: sums of edges that may be missing, and their labels."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from archloom.nn._mixed import gives_zeros


def summed(cell: Any, edges: Mapping[str, Any], parts: Mapping[str, nn.Module]) -> Any:
    """Write down the sum of the edges of one node.

    Edges that give zeros are left out; where nothing is left, zeros are the sum.

    Args:
        cell: what stands for `self` in `wired`.
        edges: name of an edge -> the stand-in of the state that it starts from.
        parts: name of an edge -> its module.
    """
    living = [name for name in edges if not gives_zeros(parts[name])]
    outputs = [getattr(cell, name)(edges[name]) for name in living or list(edges)[:1]]
    return functools.reduce(operator.add, outputs)


def joined(states: list[Any]) -> Any:
    """Write down the states side by side along the channels."""
    return states[0] if len(states) == 1 else torch.cat(states, 1)
