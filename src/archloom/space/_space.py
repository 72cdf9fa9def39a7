"""Space: every architecture that may be chosen, as data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archloom.architecture import Architecture, Value
from archloom.errors import SpaceError
from archloom.space import _change, _size, _text, _walk
from archloom.space._encode import Encoder
from archloom.space._numbers import Floats
from archloom.space._plan import Plan
from archloom.space._tree import Choice, Domain, OneOf, Option, choices_of

_MANY = 10**15


@dataclass(frozen=True, eq=False, repr=False)
class Space:
    """A tree of choices: which labels there are, what each may take, and what that opens.

    A label is one decision wherever it stands: met again, it keeps its value. Only active labels
    appear in an architecture, so that equal architectures are equal models.

    Raises:
        LabelConflict: when a label is used with two kinds or two sets of options.

    >>> ops = OneOf((Option("conv3"), Option("conv5"), Option("skip")))
    >>> blocks = tuple(Choice(f"body.{i}.op", "layer", ops) for i in range(3))
    >>> depth = OneOf(tuple(Option(n, blocks[:n]) for n in (1, 2, 3)))
    >>> width = OneOf((Option(16), Option(32)))
    >>> space = Space((Choice("width", "value", width), Choice("body", "repeat", depth)))
    >>> space.size, len(list(space.enumerate())), space.default()
    (78, 78, Architecture({'body': 1, 'body.0.op': 'conv3', 'width': 16}))
    """

    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", choices_of("A space", self.choices))
        _ = self._plan  # a label conflict shows at once, not at first use

    @property
    def labels(self) -> Mapping[str, Choice]:
        """Every label's choice, in the order in which a reader of the tree meets them."""
        return self._labels

    @cached_property
    def size(self) -> int | float:
        """The exact number of architectures, ties included; infinity with `Floats`."""
        return _size.size(self._plan)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the whole tree, the same in every process."""
        return _text.fingerprint(self._canonical)

    @property
    def encoding(self) -> tuple[str, ...]:
        """The names of `encode`'s slots, such as `width=16` or `lr`."""
        return self._encoder.names

    def count(self, points: int | None = None) -> int | float:
        """Give the number of architectures that `enumerate(points)` lists."""
        return self.size if points is None else _size.size(self._plan, _positive(points))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture: every active label from its own domain, parents first.

        That is uniform for each choice, not over architectures: where one of two options opens
        nothing and the other a million architectures, each option still comes half the time.
        """
        return _change.sample(self._plan, rng)

    def default(self) -> Architecture:
        """Give the architecture of first options and lowest numbers."""
        return _walk.complete(self._plan, {}, None)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Give one active label a different value; the result always differs.

        The label is drawn uniformly from those with more than one value. The others keep theirs;
        labels that become active are drawn, those no longer active go.

        Raises:
            InvalidArchitecture: when `architecture` is not a point of the space.
            SpaceError: when the space has one point only.
        """
        return _change.mutate(self._plan, architecture, rng)

    def cross(
        self, first: Architecture, second: Architecture, rng: np.random.Generator
    ) -> Architecture:
        """Take each active label from either parent that has it, or draw it where neither has.

        Raises:
            InvalidArchitecture: when a parent is not a point of the space.
        """
        return _change.cross(self._plan, first, second, rng)

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Give the architectures that differ in one label's value, each once.

        One of several options: every other one. A whole number: one step and about a tenth of the
        span up and down; a float: a tenth of the span. A subset: one option swapped, added or
        dropped. Labels that become active take their defaults.

        Raises:
            InvalidArchitecture: when `architecture` is not a point of the space.
        """
        return _change.neighbours(self._plan, architecture)

    def enumerate(self, points: int | None = None) -> Iterator[Architecture]:
        """Give every architecture once, lazily, in the order of the options.

        With `points`, a number with more values than that takes so many evenly spaced ones
        (on the log scale where it has one).

        Raises:
            SpaceError: without `points` when some label takes floats.
        """
        if points is None:
            for label, choice in self._labels.items():
                if isinstance(choice.domain, Floats):
                    raise SpaceError(
                        f"Label {label!r} takes any number of a range, so its values have no end. "
                        f"Say how many to take of each number: enumerate(points=5)."
                    )
        return _walk.points(self._plan, points if points is None else _positive(points))

    def check(self, architecture: Mapping[str, Value]) -> None:
        """Make sure that an architecture is a point of the space.

        Raises:
            InvalidArchitecture: for a missing, unknown or inactive label or a value that is no
                option; it says which and what would do.
        """
        _walk.active(self._plan, architecture)

    def complete(
        self,
        partial: Mapping[str, Value],
        choose: Callable[[Choice], Value] | None = None,
    ) -> Architecture:
        """Give the architecture that keeps `partial`'s values where their labels are active.

        Other active labels take what `choose` says, or their default.

        Raises:
            InvalidArchitecture: for a label that the space does not have or a value that is no
                option.
        """
        return _walk.complete(self._plan, partial, choose)

    def encode(self, architecture: Architecture) -> NDArray[np.float64]:
        """Give a vector with a slot for each name in `encoding`.

        One slot an option, 1 where chosen. For a number two: where it lies in its range (0 to 1,
        on its scale) and 1 for being active. Slots of inactive labels are 0.

        Raises:
            InvalidArchitecture: when `architecture` is not a point of the space.
        """
        return self._encoder.encode(architecture)

    def plus(self, choices: Iterable[Choice]) -> Space:
        """Give a space with these further choices at its root."""
        return Space((*self.choices, *choices))

    def joint(self, **domains: Domain | Sequence[Value]) -> Space:
        """Give a space that decides further values along with this one: a learning rate, say.

        A domain is what `uniform`, `log_uniform` or `integers` give, or a list of values.

        >>> space = Space(()).joint(optimizer=["sgd", "adam"], nesterov=[True, False])
        >>> space.size
        4
        """
        return self.plus(
            Choice(label, "value", _domain(label, domain)) for label, domain in domains.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Give a dict that `json.dumps` takes."""
        return _text.to_json(self._plan)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Space:
        """Read what `to_json` gave. Raises `SpaceError` on anything else."""
        return cls(_text.from_json(data))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Space):
            return self is other or self._canonical == other._canonical
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._canonical)

    def __repr__(self) -> str:
        size = self.size
        number = f"about 10^{math.log10(size):.0f}" if _MANY < size < math.inf else str(size)
        return f"Space({', '.join(self._labels) or 'no choices'}; {number} architectures)"

    def __reduce__(self) -> tuple[type[Space], tuple[tuple[Choice, ...]]]:
        return Space, (self.choices,)

    @cached_property
    def _plan(self) -> Plan:
        return Plan(self.choices)

    @cached_property
    def _canonical(self) -> str:
        return _text.canonical(self._plan)

    @cached_property
    def _labels(self) -> Mapping[str, Choice]:
        return MappingProxyType(dict(self._plan.labels))

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._plan)


def _positive(points: int) -> int:
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise SpaceError(f"The number of points must be an int of at least 1, got {points!r}.")
    return points


def _domain(label: str, domain: Domain | Sequence[Value]) -> Domain:
    if isinstance(domain, Domain):
        return domain
    if isinstance(domain, str) or not isinstance(domain, Sequence):
        raise SpaceError(
            f"{label!r} needs a list of values, or uniform(...), log_uniform(...) or "
            f"integers(...), got {domain!r}."
        )
    return OneOf(tuple(map(Option, domain)))
