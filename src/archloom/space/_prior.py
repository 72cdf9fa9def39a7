"""Prior: what an expert believes about a space before anything was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archloom.architecture import Architecture, Value
from archloom.errors import SpaceError
from archloom.space._belief import Belief
from archloom.space._chance import below
from archloom.space._plan import Node
from archloom.space._read_prior import beliefs_of, plain
from archloom.space._space import Space
from archloom.space._walk import active, walk

_TRIES = 100  # draws of a new value that equal the old one, until any other will do


@dataclass(frozen=True, eq=False)
class Prior:
    """What an expert believes about a space: a distribution over its architectures.

    It says, for some labels, which values are likely; all else is as in `Space.sample`. What may
    be said of a label:

    - Weights of options, `{"conv3": 3, "skip": 1}`: 3 makes an option three times as likely as
      one that is not named (those weigh 1), 0 rules it out. For a subset of options the weights of
      its members are multiplied.
    - A normal distribution over a range of numbers, `{"mean": 1e-3, "std": 0.5}`, cut at the ends
      of the range. `std` counts in the number's own unit; in a log range in factors of ten.
    - A value, `"conv3"`, `64` or `["a", "c"]`, which stands for
      `{"value": "conv3", "confidence": 0.5}`: with probability `confidence` it is this option,
      otherwise any. A number is drawn near the value, with a standard deviation of
      (1 - confidence) / 2 of its (log) range.

    A label with `*` speaks of all that match: `{"body.*.op": {"skip": 0.1}}`. A label in full
    goes before a pattern, and the first pattern before later ones.

    >>> from archloom.space import log_uniform
    >>> space = Space(()).joint(op=["conv3", "conv5", "skip"], lr=log_uniform(1e-4, 1e-1))
    >>> prior = Prior.read({"op": {"conv3": 8}, "lr": {"mean": 1e-3, "std": 0.5}}, space)
    >>> sorted(prior.beliefs), prior.mode()
    (['lr', 'op'], Architecture({'lr': 0.001, 'op': 'conv3'}))
    >>> skip, conv = (Architecture({"op": op, "lr": 1e-3}) for op in ("skip", "conv3"))
    >>> round(float(np.exp(prior.log_density(conv) - prior.log_density(skip))), 6)
    8.0
    """

    space: Space
    beliefs: Mapping[str, Belief]

    @classmethod
    def read(cls, spec: Mapping[str, Any], space: Space) -> Prior:
        """Read a specification as described above.

        Raises:
            ConfigError: for a label that the space does not have, an option that the label does
                not have, or numbers that are no weights, means or deviations.
        """
        return cls(space, beliefs_of(spec, space.labels))

    @staticmethod
    def plain(spec: Mapping[str, Any] | None) -> dict[str, Any]:
        """Give a specification as JSON holds it, checked as far as that goes without a space.

        Strategies keep it as their setting: options such as 16 or True become text where they are
        keys, tuples become lists, None becomes an empty dict.

        Raises:
            ConfigError: for what `read` would refuse in any space.

        >>> Prior.plain({"width": {16: 3}})
        {'width': {'16': 3}}
        """
        return plain(spec)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture: every active label from its belief, parents first."""
        return Architecture._trusted(walk(self.space._plan, lambda node: self._draw(node, rng)))

    def mode(self, rng: np.random.Generator | None = None) -> Architecture:
        """Give the architecture of the likeliest values, parents first.

        Labels of which nothing was said take their default, or are drawn where `rng` is given.
        """

        def choose(node: Node) -> Value:
            belief = self.beliefs.get(node.label)
            if belief is not None:
                return belief.mode
            return node.domain.default if rng is None else node.domain.draw(rng)

        return Architecture._trusted(walk(self.space._plan, choose))

    def log_density(self, architecture: Architecture) -> float:
        """Give the log of how much likelier an architecture is here than by `Space.sample`.

        Zero where nothing was said about any of its labels, whatever their number, so that deep
        architectures are not less likely for being deep; minus infinity where it is ruled out.

        Raises:
            InvalidArchitecture: when `architecture` is not a point of the space.
        """
        self.space.check(architecture)
        return sum(
            (
                self.beliefs[label].log_ratio(value)
                for label, value in architecture.items()
                if label in self.beliefs
            ),
            0.0,
        )

    def draw_value(self, label: str, rng: np.random.Generator) -> Value:
        """Draw a value of one label.

        Raises:
            KeyError: for a label that the space does not have.
        """
        belief = self.beliefs.get(label)
        return self.space.labels[label].domain.draw(rng) if belief is None else belief.draw(rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Do what `Space.mutate` does, with new values drawn from the prior.

        The label is drawn uniformly; where the prior leaves no other value than the present one,
        any other value takes its place.

        Raises:
            InvalidArchitecture: when `architecture` is not a point of the space.
            SpaceError: when the space has one point only.
        """
        free = [n for n in active(self.space._plan, architecture) if n.domain.count > 1]
        if not free:
            raise SpaceError(
                "A space of one architecture has nothing to mutate. Give some label a second "
                "option."
            )
        chosen = free[below(rng, len(free))]
        values = {**architecture, chosen.label: self._other(chosen, architecture, rng)}

        def choose(node: Node) -> Value:
            return values[node.label] if node.label in values else self._draw(node, rng)

        return Architecture._trusted(walk(self.space._plan, choose))

    def _draw(self, node: Node, rng: np.random.Generator) -> Value:
        belief = self.beliefs.get(node.label)
        return node.domain.draw(rng) if belief is None else belief.draw(rng)

    def _other(self, node: Node, architecture: Architecture, rng: np.random.Generator) -> Value:
        old = architecture[node.label]
        if node.label in self.beliefs:
            for _ in range(_TRIES):
                drawn = self._draw(node, rng)
                if drawn != old or type(drawn) is not type(old):
                    return drawn
        return node.domain.other(old, rng)
