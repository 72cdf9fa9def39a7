"""Policy: the controller, what it may still propose, and what trials are worth to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from archloom.architecture import Architecture
from archloom.space import Space
from archloom.strategies._controller import Controller, Judged
from archloom.strategies._decisions import Decision, Decisions
from archloom.strategies._fresh import Fresh

_TRIES = 20  # architectures drawn in a row that were tried before
_HEATING = 0.25  # by how much each such try flattens the chances


@final
class Policy:
    """Draws untried architectures by a controller's chances, and judges them by it."""

    def __init__(
        self, space: Space, fresh: Fresh, *, bins: int, size: int, layers: int, seed: int
    ) -> None:
        self._fresh = fresh
        self._decisions = Decisions(space, bins)
        rng = np.random.default_rng([seed, 1, 0])
        self.controller = Controller(self._decisions.counts, size, layers, rng)

    def draw(self, rng: np.random.Generator) -> Architecture | None:
        """Give an architecture, None when nothing is left.

        What was tried before is drawn anew from ever flatter chances, and after 20 of those any
        untried architecture will do.
        """
        for attempt in range(_TRIES):
            writer = self.controller.writer(rng, 1.0 + _HEATING * attempt)
            drawn = self._decisions.write(writer, rng)
            if drawn in self._fresh:
                return drawn
        return self._fresh.draw(rng)

    def path(self, architecture: Architecture) -> list[Decision]:
        """Give the decisions that lead to an architecture."""
        return self._decisions.read(architecture)

    def judge(self, paths: Sequence[list[Decision]]) -> Judged:
        """Give what the controller thinks of the decisions of all paths, to be learned from."""
        judged: Judged = self.controller(paths)
        return judged

    def judged(self, path: list[Decision]) -> Judged:
        """Give what the controller thinks of each of the decisions now, as plain numbers."""
        with torch.no_grad():
            return self.judge([path])
