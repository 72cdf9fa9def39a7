"""Architectures as vectors of numbers, for predictors and distances."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture
from archloom.space._plan import Plan
from archloom.space._tree import OneOf, SomeOf, spot
from archloom.space._walk import active


class Encoder:
    """Gives every label its slots: one an option, or two for a number (its share, and 1 if active).

    A label that is not active leaves its slots at zero.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._first: dict[str, int] = {}
        self._names: list[tuple[str, str | None]] = []
        for label, choice in plan.labels.items():
            self._first[label] = len(self._names)
            domain = choice.domain
            if isinstance(domain, OneOf | SomeOf):
                self._names += [(label, option.token) for option in domain.options]
            else:
                self._names += [(label, None), (label, "active")]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each slot: `op="conv3"`, `width=16`, `lr`, `lr:active`."""
        return tuple(
            label if part is None else f"{label}:active" if part == "active" else f"{label}={part}"
            for label, part in self._names
        )

    def encode(self, architecture: Architecture) -> NDArray[np.float64]:
        """Give the vector of one architecture."""
        vector = np.zeros(len(self._names))
        for node in active(self._plan, architecture):
            value, domain, at = architecture[node.label], node.domain, self._first[node.label]
            if isinstance(domain, OneOf):
                vector[at + domain.places[spot(value)]] = 1.0
            elif isinstance(domain, SomeOf):
                vector[[at + place for place in domain.members(value)]] = 1.0
            else:
                vector[at] = domain.share(value)
                vector[at + 1] = 1.0
        return vector
