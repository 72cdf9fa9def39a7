"""Spaces as JSON, and the fingerprint of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from archloom.errors import SpaceError
from archloom.space._numbers import Floats, Integers
from archloom.space._plan import Node, Plan
from archloom.space._tree import Choice, Domain, OneOf, Option, SomeOf

VERSION = 1

_T = TypeVar("_T")


def to_json(plan: Plan) -> dict[str, Any]:
    """Give a space as JSON-like data.

    A choice that stands in several places (a repeated block under each depth) is written out once;
    elsewhere `again` refers to the first choice of that label.
    """
    writer = _Writer()
    return {"version": VERSION, "choices": [writer.choice(node) for node in plan.roots]}


def from_json(data: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Read what `to_json` gave."""
    version = _field(data, "version", int)
    if version != VERSION:
        raise SpaceError(
            f"A space is read in version {VERSION} of its format, got version {version!r}. "
            f"Read it with the release of archloom that wrote it."
        )
    reader = _Reader()
    return tuple(map(reader.choice, _field(data, "choices", list)))


def canonical(plan: Plan) -> str:
    """Give the one text of a space; equal spaces have equal texts, and 1, 1.0, True differ."""
    return json.dumps(to_json(plan), sort_keys=True, separators=(",", ":"))


def fingerprint(text: str) -> str:
    """Give a short hash of a text that is the same in every process."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Writer:
    def __init__(self) -> None:
        self._first: dict[str, Node] = {}

    def choice(self, node: Node) -> dict[str, Any]:
        if self._first.get(node.label) is node:
            return {"label": node.label, "again": True}
        self._first.setdefault(node.label, node)
        return {"label": node.label, "kind": node.choice.kind, **self._domain(node)}

    def _domain(self, node: Node) -> dict[str, Any]:
        domain = node.domain
        match domain:
            case OneOf(options=options):
                return {"options": self._options(options, node)}
            case SomeOf(options=options, low=low, high=high):
                return {"some": [low, high], "options": self._options(options, node)}
            case Integers():
                return {"integers": asdict(domain)}
            case Floats():
                return {"floats": asdict(domain)}

    def _options(self, options: tuple[Option, ...], node: Node) -> list[Any]:
        return [
            {"value": option.value, "opens": [self.choice(child) for child in opens]}
            if opens
            else option.value
            for option, opens in zip(options, node.opens, strict=True)
        ]


class _Reader:
    def __init__(self) -> None:
        self._first: dict[str, Choice | None] = {}

    def choice(self, data: Mapping[str, Any]) -> Choice:
        label = _field(data, "label", str)
        if "again" in data:
            known = self._first.get(label)
            if known is None:
                raise SpaceError(f"Choice {label!r} says 'again' but was not written out before.")
            return known
        first = label not in self._first
        self._first.setdefault(label, None)
        choice = Choice(label, _field(data, "kind", str), self._domain(label, data))  # type: ignore[arg-type]
        if first:
            self._first[label] = choice
        return choice

    def _domain(self, label: str, data: Mapping[str, Any]) -> Domain:
        match data:
            case {"options": [*options], "some": [low, high]}:
                return SomeOf(tuple(map(self._option, options)), low, high)
            case {"options": [*options]}:
                return OneOf(tuple(map(self._option, options)))
            case {"integers": {"low": low, "high": high, "step": step, "log": log}}:
                return Integers(low, high, step, log)
            case {"floats": {"low": low, "high": high, "log": log}}:
                return Floats(low, high, log)
        raise SpaceError(
            f"Choice {label!r} needs 'options', 'integers' or 'floats', got {sorted(data)}."
        )

    def _option(self, data: Any) -> Option:
        if isinstance(data, Mapping):
            opens = tuple(map(self.choice, _field(data, "opens", list)))
            if "value" not in data:
                raise SpaceError(f"An option that opens choices needs a 'value', got {data!r}.")
            return Option(data["value"], opens)
        return Option(data)


def _field(data: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, kind):
        raise SpaceError(
            f"A space's JSON needs {name!r} of type {kind.__name__} here, got {repr(data)[:200]}."
        )
    return value
