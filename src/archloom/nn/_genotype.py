"""Genotypes: DARTS architectures in the text that its authors' code prints and reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, Final, TypeAlias

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError, did_you_mean
from archloom.nn._cell_ops import OPERATIONS
from archloom.nn._darts_cell import Ends

Nodes: TypeAlias = "tuple[tuple[tuple[int, str], ...], ...]"
"""For each node its edges: (state that it starts from, operation), by rising state."""

_SCOPES: Final = ("normal", "reduce")
_FIELDS: Final = ("normal", "normal_concat", "reduce", "reduce_concat")


def to_genotype(architecture: Mapping[str, Value], ends: Ends = "all") -> str:
    """Give the genotype's text; edges of a node by rising state.

    Args:
        architecture: of a space that asks `darts_cell` with `pick.at("normal")` and "reduce".
        ends: the setting of its cells.

    Raises:
        ConfigError: when the architecture has no such cells.

    >>> from archloom.zoo import darts
    >>> small = darts(nodes=1, operations=("skip_connect", "max_pool_3x3"))
    >>> to_genotype(small.space.default())
    "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=[2], \
reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])"
    """
    said = []
    for scope in _SCOPES:
        nodes = _nodes(architecture, scope)
        pairs = [(operation, state) for edges in nodes for state, operation in edges]
        said.append(f"{scope}={pairs}, {scope}_concat={_concatenated(nodes, ends)}")
    return f"Genotype({', '.join(said)})"


def from_genotype(genotype: Any, ends: Ends = "all") -> Architecture:
    """Give the architecture of a genotype, for a space of two inputs a node.

    Args:
        genotype: text such as `Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2,
            6), reduce=[...], reduce_concat=[2, 3, 4, 5])`, which is read, not executed; or an
            object with these four attributes.
        ends: the setting of the space's cells.

    Raises:
        ConfigError: for what is no genotype, or one that such a space does not have.

    >>> text = "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0)], normal_concat=[2], "
    >>> text += "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=range(2, 3))"
    >>> from_genotype(text)["normal.node2.1.op"]
    'sep_conv_3x3'
    """
    fields = _parsed(genotype) if isinstance(genotype, str) else _attributes(genotype)
    values: dict[str, Value] = {}
    for scope in _SCOPES:
        nodes = _checked(scope, fields[scope])
        wanted, got = _concatenated(nodes, ends), sorted(fields[f"{scope}_concat"])
        if wanted != got:
            raise ConfigError(
                f"{scope}_concat must be {wanted} where ends={ends!r}, got {got}: the space must "
                f"concatenate all nodes (ends='all') or those that no node uses (ends='loose')."
            )
        values |= _values(scope, nodes)
    return Architecture(values)


def canonical_genotype(architecture: Mapping[str, Value]) -> Architecture:
    """Give the one of all architectures that only number the nodes of their cells differently.

    Two architectures with equal results are equal networks up to the order of channels.

    Raises:
        ConfigError: when the architecture has no DARTS cells.

    >>> from archloom.zoo import darts
    >>> default = darts.space.default()
    >>> canonical_genotype(default) == canonical_genotype(canonical_genotype(default))
    True
    """
    values: dict[str, Value] = {}
    for scope in _SCOPES:
        values |= _values(scope, min(_renumbered(_nodes(architecture, scope))))
    return Architecture(values)


def _renumbered(nodes: Nodes) -> Iterator[Nodes]:
    """Give the nodes in every order in which each comes after those that it uses."""
    states = range(2, len(nodes) + 2)
    for order in permutations(states):
        new = {0: 0, 1: 1, **{old: place for place, old in enumerate(order, start=2)}}
        if all(new[state] < new[old] for old in order for state, _ in nodes[old - 2]):
            yield tuple(
                tuple(sorted((new[state], operation) for state, operation in nodes[old - 2]))
                for old in order
            )


def _nodes(architecture: Mapping[str, Value], scope: str) -> Nodes:
    nodes: list[tuple[tuple[int, str], ...]] = []
    while (label := f"{scope}.node{len(nodes) + 2}") in architecture:
        states = architecture[label]
        assert isinstance(states, tuple)
        nodes.append(tuple((int(str(s)), str(architecture[f"{label}.{s}.op"])) for s in states))
    if not nodes:
        raise ConfigError(
            f"This architecture has no DARTS cell {scope!r}: there is no '{scope}.node2' in "
            f"{', '.join(map(repr, architecture)) or 'it'}."
        )
    return tuple(nodes)


def _values(scope: str, nodes: Nodes) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for node, edges in enumerate(nodes, start=2):
        values[f"{scope}.node{node}"] = tuple(str(state) for state, _ in edges)
        values |= {f"{scope}.node{node}.{state}.op": operation for state, operation in edges}
    return values


def _concatenated(nodes: Nodes, ends: Ends) -> list[int]:
    used = {state for edges in nodes for state, _ in edges} if ends == "loose" else set()
    return [state for state in range(2, len(nodes) + 2) if state not in used]


def _checked(scope: str, pairs: Any) -> Nodes:
    try:
        edges = [(int(state), str(operation)) for operation, state in pairs]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{scope} of a genotype must be a list of pairs (operation, state), got {pairs!r}."
        ) from error
    if not edges or len(edges) % 2:
        raise ConfigError(
            f"{scope} of a genotype must have two edges for each node, got {len(edges)} edges."
        )
    nodes = tuple(tuple(sorted(edges[at : at + 2])) for at in range(0, len(edges), 2))
    for node, ((first, _), (second, _)) in enumerate(nodes, start=2):
        if not 0 <= first < second < node:
            raise ConfigError(
                f"Node {node} of {scope} must have edges from two different states below {node}, "
                f"got {first} and {second}: such a cell is not in a space of `darts_cell`."
            )
    for _, operation in edges:
        if operation not in OPERATIONS:
            raise ConfigError(
                f"A genotype's operation {operation!r} is not known: "
                f"{did_you_mean(operation, OPERATIONS)}."
            )
    return nodes


def _attributes(genotype: Any) -> dict[str, Any]:
    missing = [name for name in _FIELDS if not hasattr(genotype, name)]
    if missing:
        raise ConfigError(
            f"A genotype must be text or have the attributes {', '.join(_FIELDS)}, got "
            f"{genotype!r}, which lacks {', '.join(missing)}."
        )
    return {name: getattr(genotype, name) for name in _FIELDS}


def _parsed(text: str) -> dict[str, Any]:
    """Read the text as data: a call's keywords, with literals and ranges."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
        assert isinstance(call, ast.Call), "no call"
        fields = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
        fields |= dict(zip(_FIELDS, map(_literal, call.args), strict=False))
    except (SyntaxError, ValueError, TypeError, AssertionError) as error:
        raise ConfigError(
            f"A genotype reads Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, ...], "
            f"reduce=[...], reduce_concat=[...]), got {text!r}."
        ) from error
    if set(fields) != set(_FIELDS):
        raise ConfigError(
            f"A genotype has {', '.join(_FIELDS)}, got {', '.join(fields) or 'nothing'}."
        )
    return fields


def _literal(node: ast.expr) -> Sequence[Any]:
    is_range = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if is_range and node.func.id == "range":  # type: ignore[attr-defined]
        return range(*(ast.literal_eval(argument) for argument in node.args))  # type: ignore[attr-defined]
    value = ast.literal_eval(node)
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is no list")
    return value
