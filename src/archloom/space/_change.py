"""Making new architectures from nothing or from others: sample, mutate, cross, neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archloom.architecture import Architecture, Value
from archloom.errors import SpaceError
from archloom.space._chance import below
from archloom.space._plan import Node, Plan
from archloom.space._walk import active, walk


def sample(plan: Plan, rng: np.random.Generator) -> Architecture:
    """Draw each active label from its domain, parents first."""
    return Architecture._trusted(walk(plan, lambda node: node.domain.draw(rng)))


def mutate(plan: Plan, architecture: Architecture, rng: np.random.Generator) -> Architecture:
    """Give one active label another value and draw what that opens."""
    free = [node for node in active(plan, architecture) if node.domain.count > 1]
    if not free:
        raise SpaceError(
            "A space of one architecture has nothing to mutate. Give some label a second option."
        )
    chosen = free[below(rng, len(free))]
    return _change(
        plan, architecture, chosen.label, chosen.domain.other(architecture[chosen.label], rng), rng
    )


def cross(
    plan: Plan, first: Architecture, second: Architecture, rng: np.random.Generator
) -> Architecture:
    """Take each active label from either parent that has it."""
    active(plan, first)
    active(plan, second)

    def choose(node: Node) -> Value:
        label = node.label
        if label in first and (label not in second or rng.random() < 0.5):
            return first[label]
        return second[label] if label in second else node.domain.draw(rng)

    return Architecture._trusted(walk(plan, choose))


def neighbours(plan: Plan, architecture: Architecture) -> Iterator[Architecture]:
    """Give the architectures one label away, each once, defaults for what becomes active.

    No two are equal: were two changes of different labels to give the same, each would have to
    put the other's label out of action, and then neither label could have been active before.
    """
    for node in active(plan, architecture):
        for value in node.domain.near(architecture[node.label]):
            yield _change(plan, architecture, node.label, value, None)


def _change(
    plan: Plan,
    architecture: Architecture,
    changed: str,
    new: Value,
    rng: np.random.Generator | None,
) -> Architecture:
    old = dict(architecture)
    old[changed] = new

    def choose(node: Node) -> Value:
        label = node.label
        if label in old:
            return old[label]
        return node.domain.default if rng is None else node.domain.draw(rng)

    return Architecture._trusted(walk(plan, choose))
