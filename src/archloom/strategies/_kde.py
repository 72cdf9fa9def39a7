"""A kernel density over the architectures of a space, conditional labels included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture, Value
from archloom.space import Choice, Space
from archloom.strategies._kernels import kernel_of


class TreeDensity:
    """The mean of one product kernel around each of some architectures, the centres.

    A kernel follows the tree: it decides every label that is active, parents first. Where the
    centre has the label, the value lies around the centre's; where it does not, it is drawn from
    the domain. So it is a density over architectures whatever the conditions, and nothing has to be
    made up for labels that a centre does not have.
    """

    def __init__(
        self, space: Space, centres: Sequence[Architecture], narrowest: float = 1e-3
    ) -> None:
        self._space = space
        self._centres = centres
        free = [choice for choice in space.labels.values() if choice.domain.count > 1]
        self._kernels = {
            choice.label: kernel_of(choice, _values(centres, choice.label), len(free), narrowest)
            for choice in free
        }

    def log_density(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        """Give the log of how much likelier each is than by `Space.sample`."""
        logs = np.zeros((len(architectures), len(self._centres)))
        for label, kernel in self._kernels.items():
            logs += kernel.log(_values(architectures, label))
        most = logs.max(axis=1, keepdims=True)
        found: NDArray[np.float64] = most[:, 0] + np.log(np.exp(logs - most).mean(axis=1))
        return found

    def draw(self, rng: np.random.Generator, factor: float = 1.0) -> Architecture:
        """Give an architecture around one of the centres; `factor` widens kernels of numbers."""
        place = int(rng.integers(len(self._centres)))
        centre = self._centres[place]

        def choose(choice: Choice) -> Value:
            kernel = self._kernels.get(choice.label)
            if kernel is None or choice.label not in centre:
                return choice.domain.draw(rng)
            return kernel.draw(place, factor, rng)

        return self._space.complete({}, choose)


def _values(architectures: Sequence[Architecture], label: str) -> list[Value | None]:
    return [architecture.get(label) for architecture in architectures]
