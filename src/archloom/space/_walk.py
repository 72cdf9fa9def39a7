"""The one walk through a space, and what follows from it: checking, completing, listing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from archloom.architecture import Architecture, Value, as_value
from archloom.errors import InvalidArchitecture, did_you_mean
from archloom.space._plan import Node, Nodes, Plan
from archloom.space._tree import Choice


def walk(plan: Plan, choose: Callable[[Node], Value]) -> dict[str, Value]:
    """Decide every active label once, parents before what they open, with `choose`."""
    values: dict[str, Value] = {}
    pending = list(plan.backwards)
    while pending:
        node = pending.pop()
        label = node.label
        if label in values:
            if not node.varies:
                continue
            value = values[label]
        else:
            value = values[label] = choose(node)
        if node.branch is not None:
            pending.extend(node.branch(value))
    return values


def active(plan: Plan, architecture: Mapping[str, Value]) -> list[Node]:
    """Give the nodes that decide an architecture's labels, in the order of the walk.

    Raises:
        InvalidArchitecture: when the architecture is not a point of the space.
    """
    nodes: list[Node] = []

    def choose(node: Node) -> Value:
        nodes.append(node)
        return _given(node, architecture)

    values = walk(plan, choose)
    if len(values) != len(architecture):
        raise _surplus(plan, architecture, values)
    return nodes


def complete(
    plan: Plan, partial: Mapping[str, Value], choose: Callable[[Choice], Value] | None
) -> Architecture:
    """Fill in what `partial` leaves open."""
    for label in partial:
        if label not in plan.variants:
            raise _unknown(plan, label)

    def fill(node: Node) -> Value:
        label = node.label
        if label in partial:
            value = as_value(partial[label])
        elif choose is None:
            return node.domain.default
        else:
            value = as_value(choose(node.choice))
        return _proper(node, value)

    return Architecture._trusted(walk(plan, fill))


_Pending: TypeAlias = "tuple[Node, _Pending] | None"
"""A linked list, so that going back to an earlier state of the work costs nothing."""


def points(plan: Plan, number: int | None) -> Iterator[Architecture]:
    """Give every architecture once, in the order of the options, the last label fastest."""
    values: dict[str, Value] = {}
    trail: list[tuple[Node, Iterator[Value], _Pending]] = []
    pending = _push(plan.roots, None)
    while True:
        while pending is not None:
            node, pending = pending
            if node.label not in values:
                rest = iter(node.domain.values(number))
                values[node.label] = next(rest)
                trail.append((node, rest, pending))
            elif not node.varies:
                continue
            pending = _push(node.opened(values[node.label]), pending)
        yield Architecture._trusted(values)
        while trail:
            node, rest, pending = trail[-1]
            for value in rest:
                values[node.label] = value
                pending = _push(node.opened(value), pending)
                break
            else:
                trail.pop()
                del values[node.label]
                continue
            break
        else:
            return


def _push(nodes: Nodes, pending: _Pending) -> _Pending:
    for node in reversed(nodes):
        pending = (node, pending)
    return pending


def _given(node: Node, architecture: Mapping[str, Value]) -> Value:
    if node.label not in architecture:
        raise InvalidArchitecture(
            f"Every active label needs a value, but {node.label!r} has none in "
            f"{architecture!r}. `space.complete` fills in what is missing."
        )
    return _proper(node, architecture[node.label])


def _proper(node: Node, value: Value) -> Value:
    fault = node.domain.fault(value)
    if fault:
        raise InvalidArchitecture(f"{node.label!r} {fault}; got {value!r}.")
    return value


def _surplus(
    plan: Plan, architecture: Mapping[str, Value], values: Mapping[str, Value]
) -> InvalidArchitecture:
    for label in architecture:
        if label not in plan.variants:
            return _unknown(plan, label)
    label = next(label for label in architecture if label not in values)
    parents = [
        f"{node.label}={option.value!r}"
        for nodes in plan.variants.values()
        for node in nodes
        for option, opened in zip(getattr(node.domain, "options", ()), node.opens, strict=True)
        if any(there.label == label for there in opened)
    ]
    return InvalidArchitecture(
        f"Only active labels may have a value, but {label!r} is not active here: it hangs on "
        f"{' or '.join(dict.fromkeys(parents))}. Leave it out."
    )


def _unknown(plan: Plan, label: str) -> InvalidArchitecture:
    return InvalidArchitecture(
        f"The space has no label {label!r}: {did_you_mean(label, plan.variants)}."
    )
