"""Shared: the reading that makes every option, so that architectures share one set of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias, cast, final

from torch import nn

from archloom.architecture import Value
from archloom.nn._elastic_value import at_most, elastic
from archloom.nn._mixed import Mixed
from archloom.nn._mixed_depth import MixedDepth
from archloom.nn._mixed_inputs import MixedInputs
from archloom.nn._reading import Join, Reading, Thunk
from archloom.nn._routing import Routing
from archloom.space import Domain, OneOf, Option

Place: TypeAlias = "tuple[tuple[str, str | int | None, int], ...]"
"""Where a module was made: for each question around it its label, option and turn.

The turn counts how often the same function run had asked that label before. The option of a
question's own result, such as the join of a repeat, is None.
"""


@final
class Places:
    """Which module was made where; equal places of two readings hold the same part of a model."""

    def __init__(self) -> None:
        self.made: dict[Place, nn.Module] = {}
        self._here: Place = ()
        self._turns: list[dict[str, int]] = [{}]

    def turn(self, label: str) -> int:
        """Count one more question about a label."""
        turns = self._turns[-1]
        turns[label] = turns.get(label, 0) + 1
        return turns[label]

    def make(self, label: str, option: str | int, turn: int, make: Thunk) -> nn.Module:
        """Make a module, and remember where."""
        before = self._here
        self._here = (*before, (label, option, turn))
        self._turns.append({})
        try:
            module = self.made[self._here] = make()
        finally:
            self._turns.pop()
            self._here = before
        return module

    def keep(self, label: str, turn: int, module: nn.Module) -> None:
        """Remember a question's own result."""
        self.made[(*self._here, (label, None, turn))] = module


@final
class Placed:
    """A reading over another one that remembers where each module was made."""

    def __init__(self, inner: Reading) -> None:
        self._inner = inner
        self._places = Places()

    @property
    def made(self) -> Mapping[Place, nn.Module]:
        """The modules by place."""
        return self._places.made

    def value(self, label: str, domain: Domain) -> Value:
        """Pass the question on."""
        return self._inner.value(label, domain)

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        """Pass the question on."""
        return self._inner.layer(label, self._thunks(label, makes)[1], same_shape)

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        """Pass the question on."""
        turn = self._places.turn(label)

        def placed(index: int) -> nn.Module:
            return self._places.make(label, int(index), turn, partial(make, index))

        module = self._inner.repeat(label, placed, low, high, join)
        self._places.keep(label, turn, module)
        return module

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        """Pass the question on."""
        turn, thunks = self._thunks(label, makes)
        module = self._inner.subset(label, thunks, low, high)
        self._places.keep(label, turn, module)
        return module

    def _thunks(self, label: str, makes: Mapping[str, Thunk]) -> tuple[int, dict[str, Thunk]]:
        turn = self._places.turn(label)
        place = self._places.make
        return turn, {name: partial(place, label, name, turn, makes[name]) for name in makes}


@final
class Shared:
    """A reading that makes every option of every choice.

    Attributes:
        refused: the labels whose values cannot be shared, and why. They were answered by their
            defaults.
    """

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self.refused: dict[str, str] = {}

    def value(self, label: str, domain: Domain) -> Value:
        """Give a number that remembers its label, or refuse."""
        odd = next((v for v in domain.values(2) if not _is_number(v)), None)
        if odd is None:
            return elastic(label, domain)
        self.refused[label] = f"its option {odd!r} is no number, so that no layer can follow it"
        return domain.default

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> Mixed:
        """Make all options."""
        options = {name: make() for name, make in makes.items()}
        return Mixed(label, options, self._routing, same_shape)

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> MixedDepth:
        """Make all bodies."""
        bodies = [make(_index(label, index, low, high)) for index in range(high)]
        return MixedDepth(label, bodies, low, join, self._routing)

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> MixedInputs:
        """Make all options."""
        options = {name: make() for name, make in makes.items()}
        return MixedInputs(label, options, self._routing)


def _index(label: str, index: int, low: int, high: int) -> int:
    """Give a body its number, as one that hangs on the depth.

    In the body it is always the same. But what the function computes of it may outlive the body
    (the width before the next layer, say), and is then that of the last body that there is.
    """
    if index < low:
        return index
    depths = OneOf(tuple(map(Option, range(low, high + 1))))
    return cast("int", at_most(elastic(label, depths), index + 1) - 1)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
