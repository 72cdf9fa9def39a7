"""What the gates say about a number: one value, or weights over several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from archloom.architecture import as_value
from archloom.errors import ConfigError
from archloom.nn._blend import unbound
from archloom.nn._elastic_expression import Expression, Leaf, Number, leaves_of, value_of
from archloom.nn._elastic_value import resolved
from archloom.nn._routing import MISSING, Routing, Weighted

Choice: TypeAlias = "tuple[Number, ...]"


def options_of(routing: Routing, leaf: Leaf) -> Choice:
    """Give the numbers that a choice may take under the gates: one, or those with weights.

    Raises:
        ConfigError: where the gates say nothing about the choice, or give what it cannot take.
    """
    gate = _gate(routing, leaf)
    if isinstance(gate, Tensor):
        if not leaf.finite:
            raise ConfigError(
                f"{leaf.label!r} is a range of numbers without end, which cannot be weighted one "
                f"by one: list the options, or sample: gates with a value for it."
            )
        return leaf.options()
    options = gate.options if isinstance(gate, Weighted) else (gate,)
    return tuple(checked(leaf, option) for option in options)


def is_weighted(routing: Routing, leaf: Leaf) -> bool:
    """Say whether the gates give weights for the choice."""
    return isinstance(_gate(routing, leaf), Tensor | Weighted)


def joint_weights(routing: Routing, leaves: Iterable[Leaf]) -> Tensor:
    """Give the weight of every combination of options, in the order of `itertools.product`."""
    total: Tensor | None = None
    for leaf in leaves:
        gate = _gate(routing, leaf)
        if isinstance(gate, Tensor):
            unbound(leaf.label, gate, len(leaf.options()))
        weights = gate.weights if isinstance(gate, Weighted) else cast("Tensor", gate)
        total = weights if total is None else torch.outer(total, weights).flatten()
    assert total is not None
    return total


def value_in(values: Mapping[str, Any], leaf: Leaf) -> Number:
    """Give the number that an architecture (or a mapping like one) gives to a choice.

    Raises:
        ConfigError: where it says nothing about the choice, or gives what it cannot take.
    """
    value = lookup(values, leaf.label)
    if value is MISSING:
        raise ConfigError(f"The architecture says nothing about {leaf.label!r}.")
    return checked(leaf, value)


def settled(structure: Any, values: Mapping[str, Any]) -> Any:
    """Replace the elastic numbers in a setting by what an architecture makes of them."""

    def find(expression: Expression) -> Any:
        leaves = leaves_of(expression)
        return value_of(
            expression, {label: value_in(values, leaf) for label, leaf in leaves.items()}
        )

    return resolved(structure, find)


def lookup(gates: Mapping[str, Any], label: str) -> Any:
    """Give what there is for a label, `MISSING` where there is nothing.

    A variable that each body of a repeat sets anew (`width = pick.value("width", ...)`) is, in the
    shared reading, that of the last body there can be. Where fewer bodies run, its value is that
    of the last one that does.
    """
    found = gates.get(label, MISSING)
    while found is MISSING:
        nearer = _in_last_body(gates, label)
        if nearer is None:
            return MISSING
        label = nearer
        found = gates.get(label, MISSING)
    return found


def checked(leaf: Leaf, value: Any) -> Number:
    """Give the value, which must be one of the choice's.

    Raises:
        ConfigError: when it is not.
    """
    value = as_value(value)
    fault = leaf.domain.fault(value)
    if fault is not None:
        raise ConfigError(f"{leaf.label!r} cannot be {value!r}: it {fault}.")
    return cast("Number", value)


def _gate(routing: Routing, leaf: Leaf) -> Any:
    found = lookup(routing.gates, leaf.label)
    if found is MISSING:
        raise routing.missing(leaf.label)
    return found


def _in_last_body(gates: Mapping[str, Any], label: str) -> str | None:
    words = label.split(".")
    for place in range(1, len(words)):
        depth = gates.get(".".join(words[:place]))
        beyond = type(depth) is int and words[place].isdecimal() and int(words[place]) >= depth
        if beyond and depth:
            return ".".join((*words[:place], str(depth - 1), *words[place + 1 :]))
    return None
