"""Which modules of two architectures' models correspond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, final

from torch import nn

from archloom.architecture import Architecture
from archloom.nn._fixed import Fixed
from archloom.nn._meta import without_data
from archloom.nn._pick import Pick
from archloom.nn._shared import Place, Placed

if TYPE_CHECKING:
    from archloom.nn._model_space import ModelSpace


@dataclass(frozen=True)
class Kin:
    """Modules of a child's model that correspond to modules of its parent's, by name.

    `pairs` goes from the child's names to the parent's. `new` are the outermost modules that a
    choice made in the child and not in the parent: the bodies that a greater depth adds, say.
    """

    pairs: Mapping[str, str]
    new: tuple[str, ...]


def kin(space: ModelSpace, child: Architecture, parent: Architecture) -> Kin:
    """Give which modules of `space.build(child)` correspond to which of `space.build(parent)`.

    What a choice made is found by the place where it was made, whatever it is called in the
    model, and another option of the same choice where the child has another one. What stands
    between is found by kind and order.

    >>> from archloom.nn import model_space
    >>> @model_space
    ... def deep(pick):
    ...     body = pick.repeat("body", lambda pick: nn.Linear(4, 4), 1, 3)
    ...     return nn.Sequential(*body, nn.Linear(4, 2))
    >>> found = kin(deep, Architecture({"body": 2}), Architecture({"body": 1}))
    >>> found.pairs["2"], found.new
    ('1', ('1',))
    """
    (mine, here), (theirs, there) = (_placed(space, a) for a in (child, parent))
    walk = _Walk(here, there)
    walk.pair(mine, theirs)
    names = {id(module): name for name, module in mine.named_modules()}
    others = {id(module): name for name, module in theirs.named_modules()}
    pairs = {names[one]: others[two] for one, two in walk.pairs.items()}
    new = [name for module in walk.new if (name := names[id(module)])]
    return Kin(pairs, tuple(dict.fromkeys(new)))


def _placed(
    space: ModelSpace, architecture: Architecture
) -> tuple[nn.Module, Mapping[Place, nn.Module]]:
    def read() -> tuple[nn.Module, Mapping[Place, nn.Module]]:
        placed = Placed(Fixed(space._trace, architecture))
        return space._read(Pick(placed)), placed.made

    return without_data(read)


@final
class _Walk:
    """Goes through both models side by side."""

    def __init__(self, here: Mapping[Place, nn.Module], there: Mapping[Place, nn.Module]) -> None:
        self.pairs: dict[int, int] = {}
        self.new: list[nn.Module] = []
        self._there = there
        self._any_option = {_without_option(place): module for place, module in there.items()}
        self._places: dict[int, Place] = {}
        for place, module in here.items():
            self._places.setdefault(id(module), place)
        self._made_there = {id(module) for module in there.values()}

    def pair(self, mine: nn.Module, theirs: nn.Module) -> None:
        """Note two modules as one, and go on with their parts."""
        if id(mine) in self.pairs:
            return
        self.pairs[id(mine)] = id(theirs)
        rest: list[nn.Module] = []
        for part in mine.children():
            if id(part) not in self._places:
                rest.append(part)
                continue
            found = self._counterpart(self._places[id(part)])
            if found is None:
                self.new.append(part)
            else:
                self.pair(part, found)
        others = [part for part in theirs.children() if id(part) not in self._made_there]
        for one, two in _aligned(rest, others):
            self.pair(one, two)

    def _counterpart(self, place: Place) -> nn.Module | None:
        exact = self._there.get(place)
        if exact is not None:
            return exact
        label, option, turn = place[-1]
        if isinstance(option, int) or option is None:  # a body that is not there, or its join
            return self._there.get((*place[:-1], (label, None, turn))) if option is None else None
        return self._any_option.get(_without_option(place))


def _without_option(place: Place) -> tuple[object, ...]:
    label, option, turn = place[-1]
    return (*place[:-1], (label, isinstance(option, str), turn))


def _aligned(
    mine: list[nn.Module], theirs: list[nn.Module]
) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Give the pairs of equal kind in a longest common order."""
    one, two = ([type(part).__qualname__ for part in side] for side in (mine, theirs))
    for block in SequenceMatcher(None, one, two, autojunk=False).get_matching_blocks():
        for step in range(block.size):
            yield mine[block.a + step], theirs[block.b + step]
