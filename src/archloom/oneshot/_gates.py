"""Gates: a one-shot method, which says what each forward pass of a supernet takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from torch import Tensor, nn

from archloom.architecture import Architecture
from archloom.nn import Assignment
from archloom.oneshot._traits import Traits
from archloom.space import Space

State: TypeAlias = dict[str, Any]
"""Tensors, plain values, dicts and lists of those: what `torch.load(weights_only=True)` reads."""


@dataclass(frozen=True)
class Judged:
    """What a supernet made of one batch under an assignment.

    `loss` is a scalar with its graph, back to the assignment's tensors; `score` the batch's value
    of the objective with larger being better, a plain number.
    """

    loss: Tensor
    score: float


Judge: TypeAlias = Callable[[Assignment], Judged]
"""Run the supernet under an assignment on the batch at hand."""


@runtime_checkable
class Gates(Protocol):
    """A one-shot method: which paths of a supernet a step trains, and what comes out in the end.

    Write one as a dataclass whose fields are its settings, plain data that survive JSON; `setup`
    makes all else. A class that names this protocol as its base inherits the answers given here.
    The published `archloom.testing.GatesContract` tests what the training relies on.

    >>> @dataclass
    ... class Blind(Gates):
    ...     def setup(self, space, seed):
    ...         self._space = space
    ...
    ...     def paths(self, rng):
    ...         return [self._space.sample(rng)]
    ...
    ...     def draw(self, rng):
    ...         return self._space.sample(rng)
    ...
    ...     def probabilities(self):
    ...         return {}
    >>> Blind().derive() is None
    True
    """

    @property
    def traits(self) -> Traits:
        """What the method asks of the training loop; may change with `anneal`."""
        return Traits()

    @property
    def partial(self) -> int:
        """The K of partial channels: options see one channel in K; may change with `anneal`."""
        return 1

    def setup(self, space: Space, seed: int) -> None:
        """Start anew on a space: the tree of a supernet's open choices.

        Raises:
            ConfigError: when the method cannot decide some choice of it; it says which and why.
        """
        ...

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        """Give what one weight step trains; the gradients of all are summed. No graph in it."""
        ...

    def draw(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture as the method would now: with its probabilities."""
        ...

    def probabilities(self) -> Mapping[str, Tensor]:
        """Give how likely each option is, for each label, given that the label is active.

        In the order of the choice's domain, with the graph to the architecture parameters. For
        `layer`, `repeat` and `value` they sum to 1. For a `subset` there is one number for each
        input, how likely it is among the chosen, and they sum to the expected number of inputs.
        Labels with a single option, or with more values than can be listed, are left out.
        """
        ...

    def derive(self) -> Architecture | None:
        """Give the method's answer so far; None where a search over inherited scores follows."""
        return None

    def anneal(self, share: float) -> None:
        """Take note of how far the search is: 0 in the first epoch, 1 in the last."""
        return None

    def state(self) -> State:
        """Give what a resumed search needs besides settings and space."""
        return {}

    def restore(self, state: State) -> None:
        """Go on from what `state` gave; called after `setup`."""
        return None


@runtime_checkable
class Learned(Gates, Protocol):
    """A method with parameters of its own, trained on other data than the supernet's weights."""

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Give the architecture parameters by name; the same objects until the next `setup`."""
        ...

    def loss(self, judge: Judge, rng: np.random.Generator) -> Tensor:
        """Give what an architecture step descends: a scalar with a graph to `parameters`.

        Calls `judge` at least once. A regulariser of the method is part of it, a penalty is not.
        """
        ...

    def stepped(self) -> None:
        """Take note that an optimizer has just changed the parameters."""
        return None


@runtime_checkable
class Limited(Protocol):
    """Gates that can leave out paths, so that none is trained that a limit on costs rules out."""

    def limit(self, admits: Callable[[Architecture], bool]) -> None:
        """Train only what `admits` lets through, until the next `setup`."""
        ...
