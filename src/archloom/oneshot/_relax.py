"""Relaxations: from perturbed log-odds to soft weights and to the options that they pick."""

from __future__ import annotations

from torch import Tensor

from archloom.oneshot._slots import Slot
from archloom.oneshot._subsets import inclusion


def soft(slot: Slot, perturbed: Tensor, temperature: float) -> Tensor:
    """Give weights that turn into the picked options' zeros and ones as the temperature falls.

    For one of the options that is the concrete distribution (arXiv 1611.00712): a softmax.
    """
    scaled = perturbed / temperature
    return scaled.softmax(0) if slot.how == "one" else inclusion(scaled, slot.low, slot.high)


def picked(slot: Slot, perturbed: Tensor) -> tuple[int, ...]:
    """Give the places of the options with the largest values, in rising order.

    Where the number of inputs is open, those above 0, as far as the bounds allow.
    """
    values = perturbed.detach().tolist()
    if slot.low == slot.high == 1:
        return (max(range(len(values)), key=values.__getitem__),)
    number = min(max(sum(value > 0 for value in values), slot.low), slot.high)
    ranked = sorted(range(len(values)), key=lambda place: -values[place])
    return tuple(sorted(ranked[:number]))
