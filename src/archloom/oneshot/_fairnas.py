"""FairNAS: every option is trained as often as any other, in every step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from torch import Tensor

from archloom.architecture import Architecture, Value
from archloom.nn import Assignment
from archloom.oneshot._check import check_whole
from archloom.oneshot._gates import Gates, State
from archloom.oneshot._traits import Traits, WeightOptimizer
from archloom.oneshot._uniform import uniform_chances
from archloom.space import Choice, Floats, Integers, OneOf, SomeOf, Space

_LONGEST: Final = 256  # numbers of longer ranges are drawn rather than dealt


@dataclass
class FairNas(Gates):
    """A weight step trains as many paths as a choice has options, each option once.

    Chu, Zhang and Xu, "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural
    Architecture Search" (ICCV 2021, arXiv 1907.01845), algorithm 1, strict fairness: options are
    dealt from a permutation for each choice, gradients of all paths are summed before the weights
    change. A search over the scores of inherited weights follows.

    Beyond the paper, whose choices all have the same number of options: a step has the smallest
    number of paths in which every choice at the root of the space deals all its options equally
    often, if that is at most `most`, else as many as the largest of them has options. A deal that
    a step does not finish goes on in the next, so the options of a choice never differ by more
    than one deal, also where the choice is active in some paths only. Subsets deal every input
    equally often. Ranges of more than 256 numbers are drawn.

    Args:
        most: the largest number of paths in a step for the sake of equal counts.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = FairNas()
    >>> ops = OneOf((Option("conv3"), Option("conv5"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> sorted(path["op"] for path in gates.paths(np.random.default_rng(0)))
    ['conv3', 'conv5', 'skip']
    """

    most: int = 12

    def __post_init__(self) -> None:
        check_whole("FairNas", "most", self.most, 1)

    @property
    def traits(self) -> Traits:
        return Traits(
            weights=WeightOptimizer(lr=0.045, lr_end=0.0, weight_decay=4e-5),
            epochs=150,
            batch_size=256,
        )

    def setup(self, space: Space, seed: int) -> None:
        self._space = space
        self._hands: dict[str, list[Value]] = {}
        rounds = [number for choice in space.choices if (number := _round(choice)) is not None]
        together = math.lcm(*rounds)
        self._paths = together if together <= self.most else max(rounds)

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        return [
            self._space.complete({}, lambda choice: self._deal(choice, rng))
            for _ in range(self._paths)
        ]

    def draw(self, rng: np.random.Generator) -> Architecture:
        return self._space.sample(rng)

    def probabilities(self) -> Mapping[str, Tensor]:
        return uniform_chances(self._space)

    def state(self) -> State:
        return {"hands": {label: list(hand) for label, hand in self._hands.items()}}

    def restore(self, state: State) -> None:
        self._hands = {label: list(hand) for label, hand in state["hands"].items()}

    def _deal(self, choice: Choice, rng: np.random.Generator) -> Value:
        if _round(choice) is None:
            return choice.domain.draw(rng)
        hand = self._hands.setdefault(choice.label, [])
        if not hand:
            hand.extend(_shuffled(choice, rng))
        return hand.pop()


def _round(choice: Choice) -> int | None:
    """Give how many deals go through all options equally often; None where values are drawn."""
    domain = choice.domain
    match domain:
        case SomeOf(options=options, low=low, high=high):
            return sum(_windows(len(options), size) for size in range(low, high + 1))
        case OneOf(options=options):
            return len(options)
        case Integers(count=count):
            return count if count <= _LONGEST else None
        case Floats():
            return None


def _windows(number: int, size: int) -> int:
    return number // math.gcd(number, size)


def _shuffled(choice: Choice, rng: np.random.Generator) -> list[Value]:
    domain = choice.domain
    if isinstance(domain, SomeOf):
        dealt = list(
            itertools.chain.from_iterable(
                _dealt(domain, size, rng) for size in range(domain.low, domain.high + 1)
            )
        )
    else:
        dealt = list(domain.values())
    return [dealt[place] for place in rng.permutation(len(dealt)).tolist()]


def _dealt(domain: SomeOf, size: int, rng: np.random.Generator) -> list[Value]:
    """Give subsets of one size in which every input stands equally often.

    Inputs are laid out in a ring in random order, and windows follow each other around it until
    one ends where the first began.
    """
    number = len(domain.options)
    ring = rng.permutation(number).tolist()
    starts = [size * window for window in range(_windows(number, size))]
    return [
        tuple(
            domain.options[place].value
            for place in sorted(ring[(start + step) % number] for step in range(size))
        )
        for start in starts
    ]
