"""Traced: the reading that yields the tree of choices, running every option once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from torch import nn

from archloom.architecture import Value, token
from archloom.errors import LabelConflict, SpaceError
from archloom.nn._meta import without_data
from archloom.nn._pick import Pick
from archloom.nn._reading import Join, Thunk
from archloom.space import Choice, Domain, Kind, OneOf, Option, SomeOf, Space


@dataclass(frozen=True)
class Question:
    """What a label was asked for. Equal questions may share a label, others are in conflict."""

    kind: Kind
    said: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.said})"


def asked_value(domain: Domain) -> Question:
    """Give the question of a `pick.value`."""
    if isinstance(domain, OneOf):
        return Question("value", ", ".join(token(option.value) for option in domain.options))
    return Question("value", repr(domain))


def asked_layer(names: Mapping[str, Any], same_shape: bool) -> Question:
    """Give the question of a `pick.layer`."""
    shapes = "" if same_shape else "; same_shape=False"
    return Question("layer", ", ".join(names) + shapes)


def asked_repeat(low: int, high: int) -> Question:
    """Give the question of a `pick.repeat`."""
    return Question("repeat", f"{low} to {high}")


def asked_subset(names: Mapping[str, Any], low: int, high: int) -> Question:
    """Give the question of a `pick.subset`."""
    return Question("subset", f"{low} to {high} of {', '.join(names)}")


@dataclass(frozen=True)
class Trace:
    """What one tracing saw: the space, and for every label what was asked."""

    space: Space
    questions: Mapping[str, Question]


def trace(read: Callable[[Pick], nn.Module], extra: Mapping[str, Domain] | None = None) -> Trace:
    """Run a space function once, on the meta device, and give the choices that it asked for.

    Args:
        read: the space function with its settings bound.
        extra: further choices at the root that the function need not ask for.
    """

    def run() -> Trace:
        reading = Traced()
        for label, domain in (extra or {}).items():
            reading.value(label, domain)
        read(Pick(reading))
        return reading.result()

    return without_data(run)


@final
class Traced:
    """A reading that writes down every question; its answers are the first options."""

    def __init__(self) -> None:
        self._questions: dict[str, Question] = {}
        self._frames: list[list[Choice]] = [[]]
        self._inside: list[str] = []

    def value(self, label: str, domain: Domain) -> Value:
        """Record the domain; give its default."""
        self._check(label, asked_value(domain))
        self._record(label, "value", domain)
        return domain.default

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        """Record the names and run every make; give the first module."""
        self._check(label, asked_layer(makes, same_shape))
        modules, opens = self._run(label, list(makes.values()))
        self._record(label, "layer", OneOf(tuple(map(Option, makes, opens))))
        return modules[0]

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        """Record the depths and run every body; give the shallowest. Depth d opens d bodies."""
        self._check(label, asked_repeat(low, high))
        modules, opens = self._run(label, [partial(make, index) for index in range(high)])
        depths = [Option(d, _joined(opens[:d])) for d in range(low, high + 1)]
        self._record(label, "repeat", OneOf(tuple(depths)))
        return join(modules[:low])

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        """Record the names and run every make; give the first `low`."""
        self._check(label, asked_subset(makes, low, high))
        modules, opens = self._run(label, list(makes.values()))
        self._record(label, "subset", SomeOf(tuple(map(Option, makes, opens)), low, high))
        return nn.ModuleDict(dict(list(zip(makes, modules, strict=True))[:low]))

    def result(self) -> Trace:
        """Give the tree of all that was asked."""
        return Trace(Space(tuple(self._frames[0])), self._questions)

    def _check(self, label: str, question: Question) -> None:
        if label in self._inside:
            raise SpaceError(
                f"{label!r} is asked inside one of its own options, which would never end: "
                f"give the inner one another label, or use the pick that the option is handed."
            )
        seen = self._questions.setdefault(label, question)
        if seen != question:
            raise LabelConflict(
                f"{label!r} is one decision, but it is asked with different options: {seen} and "
                f"{question}. Give one of them another label, or ask it of pick.at('...')."
            )

    def _run(
        self, label: str, makes: list[Thunk]
    ) -> tuple[list[nn.Module], list[tuple[Choice, ...]]]:
        """Make every module, each in a frame of its own, which catches what it asks."""
        modules, opens = [], []
        self._inside.append(label)
        for make in makes:
            self._frames.append([])
            modules.append(make())
            opens.append(tuple(self._frames.pop()))
        self._inside.pop()
        return modules, opens

    def _record(self, label: str, kind: Kind, domain: Domain) -> None:
        choice = Choice(label, kind, domain)
        if choice not in self._frames[-1]:
            self._frames[-1].append(choice)


def _joined(opens: list[tuple[Choice, ...]]) -> tuple[Choice, ...]:
    """Join what bodies open; a choice that they share is opened once."""
    joined: list[Choice] = []
    for choices in opens:
        joined.extend(choice for choice in choices if choice not in joined)
    return tuple(joined)
