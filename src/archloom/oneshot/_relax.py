"""Relaxations: from perturbed log-odds to soft weights and to the options that they pick."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from archloom.oneshot._alphas import ByAlphas
from archloom.oneshot._check import check_number
from archloom.oneshot._gates import State
from archloom.oneshot._slots import Slot
from archloom.oneshot._subsets import inclusion
from archloom.space import Space


class Relaxed(ByAlphas):
    """What the methods whose relaxation grows harder have in common: a temperature."""

    hot: float
    cold: float
    _temperature: float

    @property
    def temperature(self) -> float:
        """That of the relaxation as it is now."""
        return self._temperature

    @abstractmethod
    def temperature_at(self, share: float) -> float:
        """Give the temperature after a share of the search."""

    def setup(self, space: Space, seed: int) -> None:
        super().setup(space, seed)
        self._temperature = self.hot

    def anneal(self, share: float) -> None:
        self._temperature = self.temperature_at(share)

    def state(self) -> State:
        return {**super().state(), "temperature": self._temperature}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._temperature = state["temperature"]

    def _checked(self) -> None:
        name = type(self).__name__
        check_number(name, "hot", self.hot, 0, open_low=True)
        check_number(name, "cold", self.cold, 0, open_low=True)
        self._checked_none()


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
