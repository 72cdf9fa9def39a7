"""A space made ready for walking: one `Node` a distinct choice, with its openings looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from archloom.architecture import Value
from archloom.errors import LabelConflict
from archloom.space._numbers import Floats, Integers
from archloom.space._tree import Choice, Domain, OneOf, SomeOf, spot


class Node:
    """A choice at its place in the tree; equal choices share one node.

    `opens` holds a tuple of nodes for each option (empty for numbers) and `branch` gives the nodes
    that a value opens, last one first, as a stack wants them; None where no option opens any.
    `varies` says that the label stands elsewhere too, with the same options that open other
    choices: then every place has to be visited.
    `mask` has one bit for each label that may become active at or below the node.
    """

    __slots__ = ("branch", "choice", "domain", "label", "mask", "opens", "varies")

    def __init__(self, choice: Choice, opens: tuple[Nodes, ...], bit: int) -> None:
        self.choice = choice
        self.label = choice.label
        self.domain: Domain = choice.domain
        self.opens = opens
        self.varies = False
        self.branch = _branch(choice.domain, opens)
        self.mask = 1 << bit
        for nodes in opens:
            for node in nodes:
                self.mask |= node.mask

    def opened(self, value: Value) -> Nodes:
        """Give the nodes that `value` opens, first one first."""
        return self.branch(value)[::-1] if self.branch else ()


Nodes: TypeAlias = tuple[Node, ...]


def _branch(domain: Domain, opens: tuple[Nodes, ...]) -> Callable[[Value], Nodes] | None:
    backwards = [nodes[::-1] for nodes in opens]
    match domain:
        case OneOf(places=places) if any(opens):
            table = {key: backwards[place] for key, place in places.items()}
            return lambda value: table[spot(value)]
        case SomeOf(members=members) if any(opens):
            return lambda value: tuple(
                node for place in members(value)[::-1] for node in backwards[place]
            )
        case _:
            return None


class Plan:
    """The nodes of a space.

    `roots` stand first one first; `variants` holds the nodes of each label, labels in the order
    in which a walk through all options meets them.
    """

    def __init__(self, choices: tuple[Choice, ...]) -> None:
        self.variants: dict[str, list[Node]] = {}
        self._bits: dict[str, int] = {}
        self._by_identity: dict[int, Node] = {}
        self._by_shape: dict[object, Node] = {}
        self.roots = tuple(map(self._node, choices))
        self.backwards = self.roots[::-1]
        for nodes in self.variants.values():
            for node in nodes:
                node.varies = len(nodes) > 1
        self._by_identity.clear()  # ids mean something only while the choices are alive

    @property
    def labels(self) -> Mapping[str, Choice]:
        """The first-met choice of every label."""
        return {label: nodes[0].choice for label, nodes in self.variants.items()}

    def _node(self, choice: Choice) -> Node:
        known = self._by_identity.get(id(choice))
        if known is not None:
            return known
        bit = self._bits.setdefault(choice.label, len(self._bits))
        nodes = self.variants.setdefault(choice.label, [])
        opens = _opens(choice.domain, self._node)
        surface = _surface(choice)
        shape = (choice.label, surface, tuple(tuple(map(id, opened)) for opened in opens))
        node = self._by_shape.get(shape)
        if node is None:
            node = self._by_shape[shape] = Node(choice, opens, bit)
            if nodes and _surface(nodes[0].choice) != surface:
                raise _conflict(nodes[0].choice, choice)
            nodes.append(node)
        self._by_identity[id(choice)] = node
        return node


def _opens(domain: Domain, node: Callable[[Choice], Node]) -> tuple[Nodes, ...]:
    if isinstance(domain, OneOf | SomeOf):
        return tuple(tuple(map(node, option.opens)) for option in domain.options)
    return ()


def _surface(choice: Choice) -> object:
    """Give what two choices of one label must share: all but what their options open."""
    domain = choice.domain
    match domain:
        case OneOf():
            return choice.kind, "one", tuple(option.token for option in domain.options)
        case SomeOf(low=low, high=high):
            tokens = tuple(option.token for option in domain.options)
            return choice.kind, "some", tokens, low, high
        case Integers() | Floats():
            return choice.kind, repr(domain)


def _conflict(first: Choice, second: Choice) -> LabelConflict:
    return LabelConflict(
        f"The same label is the same decision, but {first.label!r} is used as "
        f"{describe(first)} and as {describe(second)}. Give one of them another label, or put it "
        f"under a scope of its own (`pick.at`)."
    )


def describe(choice: Choice) -> str:
    """Give a choice's kind and options as an error message shows them."""
    domain = choice.domain
    match domain:
        case OneOf():
            return f"a {choice.kind} of [{_names(domain.options)}]"
        case SomeOf(low=low, high=high):
            return f"a {choice.kind}, {low} to {high} of [{_names(domain.options)}]"
        case Integers() | Floats():
            return f"a {choice.kind} of {domain!r}"


def _names(options: Iterable[object]) -> str:
    return ", ".join(repr(getattr(option, "value", option)) for option in options)
