"""Slots: which choices of a space a method with architecture parameters decides, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from archloom.architecture import Value
from archloom.errors import ConfigError
from archloom.nn._fixed import TRAIN_SCOPE
from archloom.space import Choice, Floats, Integers, OneOf, SomeOf, Space

MOST_NUMBERS: Final = 32
NOTHING: Final = frozenset({"none", "zero"})
"""What an option is called that gives zeros, as DARTS and NAS-Bench-201 have one."""


@dataclass(frozen=True)
class Slot:
    """A choice with more than one outcome.

    Attributes:
        label: its label.
        how: "one" of the options; "some" of them, by odds of their own; or "edges": some of the
            inputs, by the strongest operation of each (DARTS).
        options: the options' values; for subsets the inputs.
        low, high: how many are chosen, 1 and 1 except for subsets.
        operations: for subsets, the labels of the layer choices that each input opens.
        names: whether the options are layers, of which one may be called "none".
    """

    label: str
    how: Literal["one", "some", "edges"]
    options: tuple[Value, ...]
    low: int = 1
    high: int = 1
    operations: tuple[tuple[str, ...], ...] = ()
    names: bool = False

    @property
    def somethings(self) -> tuple[int, ...]:
        """The places of the options that are not called "none"; all where there is no other."""
        real = tuple(
            place
            for place, option in enumerate(self.options)
            if not (self.names and option in NOTHING)
        )
        return real or tuple(range(len(self.options)))

    def value(self, places: tuple[int, ...]) -> Value:
        """Give what an architecture holds for the options at these places."""
        if self.how == "one":
            return self.options[places[0]]
        return tuple(self.options[place] for place in places)


@dataclass(frozen=True)
class Slots:
    """All decisions of a space: those with several outcomes, and the only outcome of the others.

    `inner` are the labels of layer choices that some input of a subset opens.
    """

    space: Space
    open: Mapping[str, Slot]
    single: Mapping[str, Value]
    inner: frozenset[str]


def slots_of(space: Space, method: str, by_operation: bool = True) -> Slots:
    """Give the decisions that a method with architecture parameters takes in a space.

    Args:
        space: the tree of open choices.
        method: what error messages call the method.
        by_operation: whether the inputs of a subset are compared by the operations they open.

    Raises:
        ConfigError: for a choice with too many values to weigh each, for one that sets the
            training, and for a space in which there is nothing to decide.
    """
    single: dict[str, Value] = {}
    open_: dict[str, Slot] = {}
    for label, choice in space.labels.items():
        _check(choice, method)
        slot = _slot(choice)
        if slot is None:
            single[label] = choice.domain.default
        else:
            open_[label] = slot
    if not open_:
        raise ConfigError(
            f"{method} learns weights of options, so it needs a choice with at least two of them, "
            f"but {space!r} has none. Leave a choice open (`pinned` settles choices), or train the "
            f"one architecture."
        )
    if by_operation:
        open_ = {label: _by_operation(slot, open_) for label, slot in open_.items()}
    inner = frozenset(
        name
        for choice in space.labels.values()
        if isinstance(choice.domain, SomeOf)
        for names in _operations(choice.domain)
        for name in names
    )
    return Slots(space, open_, single, inner)


def _check(choice: Choice, method: str) -> None:
    label, domain = choice.label, choice.domain
    if label.startswith(TRAIN_SCOPE) and domain.count > 1:
        raise ConfigError(
            f"{label!r} sets the training, and one supernet is trained with one setting: {method} "
            f"cannot choose it. Leave it out of the joint space, or search it with a strategy "
            f"that trains each candidate."
        )
    many = isinstance(domain, Floats) or (
        isinstance(domain, Integers) and domain.count > MOST_NUMBERS
    )
    if many:
        number = "endlessly many" if domain.count == math.inf else str(domain.count)
        raise ConfigError(
            f"{method} keeps a weight for each value, and {label!r} has {number} (at most "
            f"{MOST_NUMBERS} of a range). List a few values (pick.value({label!r}, [...])), pin "
            f"it (pinned={{{label!r}: {domain.default!r}}}), or take a method that samples paths: "
            f"spos."
        )


def _slot(choice: Choice) -> Slot | None:
    domain = choice.domain
    match domain:
        case _ if domain.count == 1:
            return None
        case SomeOf(low=low, high=high):
            inputs = tuple(option.value for option in domain.options)
            return Slot(choice.label, "some", inputs, low, high, _operations(domain))
        case OneOf() | Integers():
            values = tuple(domain.values())
            return Slot(choice.label, "one", values, names=choice.kind == "layer")
        case _:
            raise AssertionError(f"{choice.label!r} takes endlessly many values")


def _operations(domain: SomeOf) -> tuple[tuple[str, ...], ...]:
    """Give the labels of the layer choices that each input opens."""
    return tuple(
        tuple(inner.label for inner in option.opens if inner.kind == "layer")
        for option in domain.options
    )


def _by_operation(slot: Slot, known: Mapping[str, Slot]) -> Slot:
    """Let operations decide over a subset where each input has one, and some input a choice."""
    if not slot.operations or not all(slot.operations):
        return slot
    if not any(name in known for names in slot.operations for name in names):
        return slot
    low, high = slot.low, slot.high
    if low < high and not _can_vanish(slot, known):
        low = high  # without a "none" to compare with, no input is weaker than nothing
    return Slot(slot.label, "edges", slot.options, low, high, slot.operations)


def _can_vanish(slot: Slot, known: Mapping[str, Slot]) -> bool:
    return all(
        any(
            name in known and len(known[name].somethings) < len(known[name].options)
            for name in names
        )
        for names in slot.operations
    )
