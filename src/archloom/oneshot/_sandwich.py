"""The sandwich rule: the largest path teaches the smallest and random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from archloom.architecture import Architecture, Value, as_value
from archloom.errors import InvalidArchitecture
from archloom.nn import Assignment
from archloom.oneshot._check import check_whole
from archloom.oneshot._gates import Gates
from archloom.oneshot._traits import Traits, WeightOptimizer
from archloom.oneshot._uniform import Admits, admitted, uniform_chances
from archloom.space import Choice, Floats, Integers, OneOf, SomeOf, Space


@dataclass
class Sandwich(Gates):
    """A weight step trains the largest path, the smallest and a few random ones.

    The sandwich rule with in-place distillation, as in Yu et al., "BigNAS: Scaling Up Neural
    Architecture Search with Big Single-Stage Models" (ECCV 2020, arXiv 2003.11142, section 3.2):
    the largest learns from the labels, all others from the largest's output. Cai, Gan, Wang,
    Zhang and Han, "Once-for-All" (ICLR 2020, arXiv 1908.09791) grow their spaces the same way, in
    phases, which this does not. A search over the scores of inherited weights follows.

    Largest and smallest are the largest and smallest numbers, the deepest and shallowest
    repeats, the most and fewest inputs (the first ones). Options with names have no size: they
    are drawn for every path, unless `largest` and `smallest` say which.

    Args:
        random: how many random paths there are beside the two.
        largest: label -> option of the largest path, where it is not the largest number.
        smallest: label -> option of the smallest path, likewise.
        distill: whether the largest path's output is what the others learn from.

    Raises:
        InvalidArchitecture (from `setup`): when `largest` or `smallest` has a label that the
            space does not, or a value that is no option.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = Sandwich(random=1)
    >>> gates.setup(Space((Choice("width", "value", OneOf((Option(16), Option(32)))),)), seed=0)
    >>> [path["width"] for path in gates.paths(np.random.default_rng(0))]
    [32, 16, 32]
    """

    random: int = 2
    largest: Mapping[str, Any] = field(default_factory=dict)
    smallest: Mapping[str, Any] = field(default_factory=dict)
    distill: bool = True

    def __post_init__(self) -> None:
        check_whole("Sandwich", "random", self.random, 0)
        self.largest = dict(self.largest)
        self.smallest = dict(self.smallest)

    @property
    def traits(self) -> Traits:
        return Traits(
            weights=WeightOptimizer(nesterov=True, lr_end=0.0, weight_decay=3e-5),
            epochs=120,
            distill=self.distill,
        )

    def setup(self, space: Space, seed: int) -> None:
        self._space = space
        self._admits: Admits | None = None
        self._ends = [_given(space, self.largest), _given(space, self.smallest)]

    def limit(self, admits: Admits) -> None:
        """Let only random paths through that `admits` accepts; largest and smallest stay."""
        self._admits = admits

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        largest, smallest = self._ends
        ends = [
            self._space.complete({}, lambda choice: _end(choice, largest, _largest, rng)),
            self._space.complete({}, lambda choice: _end(choice, smallest, _smallest, rng)),
        ]
        return [*ends, *(self.draw(rng) for _ in range(self.random))]

    def draw(self, rng: np.random.Generator) -> Architecture:
        return admitted(lambda: self._space.sample(rng), self._admits)

    def probabilities(self) -> Mapping[str, Tensor]:
        return uniform_chances(self._space)


def _given(space: Space, options: Mapping[str, Any]) -> dict[str, Value]:
    values = {label: as_value(value) for label, value in options.items()}
    space.complete(values)  # unknown labels and the values of active ones
    for label, value in values.items():
        fault = space.labels[label].domain.fault(value)
        if fault is not None:
            raise InvalidArchitecture(f"{label!r} {fault}; got {value!r}.")
    return values


def _end(
    choice: Choice,
    given: Mapping[str, Value],
    extreme: Callable[[Choice], Value | None],
    rng: np.random.Generator,
) -> Value:
    if choice.label in given:
        return given[choice.label]
    found = extreme(choice)
    return choice.domain.draw(rng) if found is None else found


def _largest(choice: Choice) -> Value | None:
    domain = choice.domain
    match domain:
        case SomeOf(options=options, high=high):
            return tuple(option.value for option in options[:high])
        case OneOf(options=options):
            return _extreme([option.value for option in options], max)
        case Integers(low=low, step=step, count=count):
            return low + step * (count - 1)
        case Floats(high=high_end):
            return high_end


def _smallest(choice: Choice) -> Value | None:
    domain = choice.domain
    if isinstance(domain, OneOf):
        return _extreme([option.value for option in domain.options], min)
    return domain.default


def _extreme(values: list[Value], pick: Callable[[list[float]], float]) -> Value | None:
    """Give the largest or smallest of numbers, as it stands in the list; None for names."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return None
    return values[numbers.index(pick(numbers))]
