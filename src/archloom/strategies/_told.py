"""What a strategy that learns a model was told: a fold over trials."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from archloom.architecture import Architecture
from archloom.strategies._encoding import Matrix
from archloom.trial import State, Trial


class Scored(NamedTuple):
    """A trial that ended and the gain it counts with."""

    number: int
    architecture: Architecture
    gain: float


class Told:
    """The scored trials in the order in which they ended, and those still running.

    Failed trials count as the worst gain seen; so do gains that are not finite. Trials at less
    than the full effort count as running never and scored never: their scores cannot be compared.
    """

    def __init__(self) -> None:
        self.scored: list[Scored] = []
        self._running: dict[int, Architecture] = {}

    def add(self, trial: Trial, gain: float | None) -> None:
        """Take note of a trial; `gain` is None where it has no score."""
        if trial.budget is not None and trial.budget < 1:
            return
        if not trial.state.ended:
            self._running[trial.number] = trial.architecture
            return
        self._running.pop(trial.number, None)
        if trial.state is State.FAILED:
            gain = -math.inf
        if gain is not None:
            self.scored.append(Scored(trial.number, trial.architecture, gain))

    @property
    def running(self) -> list[Architecture]:
        """The architectures that are being tried, in the order of their numbers."""
        return [self._running[number] for number in sorted(self._running)]

    @property
    def useful(self) -> int:
        """How many trials have a finite gain."""
        return sum(math.isfinite(scored.gain) for scored in self.scored)

    def values(self, count: int | None = None) -> Matrix:
        """Give the gains of all scored trials, or of the first ones, as normal scores."""
        gains = [scored.gain for scored in self.scored[:count]]
        return normal_scores(np.array(gains, dtype=np.float64))

    @property
    def mark(self) -> int:
        """How many of the first scored trials to learn a model's settings from.

        All up to 40; then it moves in steps of 2, from 80 on in steps of 4, and so on.
        """
        count = len(self.scored)
        step = 1
        while count >= 40 * step:
            step *= 2
        return count - count % step


def normal_scores(gains: Matrix) -> Matrix:
    """Give what a standard normal sample of the same ranks would be; equal gains stay equal.

    So one value far off, such as a network that learned nothing, does not drown the differences
    between the good ones, and a monotone change of the metric changes nothing.

    >>> normal_scores(np.array([0.1, 0.92, 0.9])).round(2).tolist()
    [-0.97, 0.97, 0.0]
    """
    from scipy.special import ndtri

    _, place, count = np.unique(gains, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    return np.asarray(ndtri(middle[place] / len(gains)), dtype=np.float64)
