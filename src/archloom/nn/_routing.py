"""Routing: which way one forward pass takes through a supernet, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

from torch import Tensor

from archloom.architecture import Value
from archloom.errors import ConfigError, did_you_mean


@dataclass(frozen=True, eq=False)
class Weighted:
    """Some options of a choice, each with a weight: only they run, `sum_i weights[i] * option_i`.

    Attributes:
        options: values of the choice's options (for a subset: names of its inputs).
        weights: one for each of `options`; may carry a gradient.

    >>> import torch
    >>> Weighted(("conv3", "skip"), torch.tensor([0.7, 0.3])).options
    ('conv3', 'skip')
    """

    options: tuple[Value, ...]
    weights: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if not self.options or self.weights.shape != (len(self.options),):
            raise ConfigError(
                f"Weighted needs at least one option and one weight for each, got "
                f"{len(self.options)} options and weights of shape {tuple(self.weights.shape)}."
            )


Gate: TypeAlias = "Value | Tensor | Weighted"
"""What a forward takes for one label: an option's value, weights of all options, or of some."""

Assignment: TypeAlias = Mapping[str, Gate]
"""What a forward takes, label by label; an `Architecture` is one: a single path."""

MISSING: Final = object()
"""What is found for a label without a gate."""


@final
class Routing:
    """What the modules of one supernet read while a forward runs.

    Attributes:
        gates: the current assignment, empty between forwards.
        partial: 1, or K where choices with weights run on one channel in K (PC-DARTS).
        divisor: K while the options of such a choice run, else 1: layers then use the first
            1/divisor of their channels.
        memo: anything that follows from `gates` alone, kept until they change.
    """

    def __init__(self, labels: Iterable[str] = (), pinned: Mapping[str, Value] | None = None):
        self.labels = frozenset(labels)
        self.pinned = dict(pinned or {})
        self.gates: dict[str, Gate] = {}
        self.partial = 1
        self.divisor = 1
        self.memo: dict[Any, Any] = {}

    @property
    def active(self) -> bool:
        """Whether a forward runs."""
        return bool(self.gates)

    @contextmanager
    def routed(self, gates: Assignment, partial: int = 1) -> Iterator[None]:
        """Let every forward inside take `gates`; what held before holds again after.

        Raises:
            ConfigError: for a label that the supernet does not have.
        """
        if not self.labels.issuperset(gates):
            raise self._unknown(gates)
        before = self.gates, self.partial, self.memo
        self.gates, self.partial, self.memo = dict(gates), partial, {}
        try:
            yield
        finally:
            self.gates, self.partial, self.memo = before

    @contextmanager
    def settled(self, label: str, value: Value) -> Iterator[None]:
        """Let what runs inside find that value for a label, the other gates as they are."""
        before = self.gates, self.memo
        self.gates = {**self.gates, label: value}
        self.memo = self.memo.setdefault((label, value), {})
        try:
            yield
        finally:
            self.gates, self.memo = before

    @contextmanager
    def divided(self, divisor: int) -> Iterator[None]:
        """Let the layers that run inside use the first 1/divisor of their channels."""
        before, self.divisor = self.divisor, divisor
        try:
            yield
        finally:
            self.divisor = before

    def gate(self, label: str) -> Gate:
        """Give the gate of a label.

        Raises:
            ConfigError: when there is none.
        """
        gate = self.gates.get(label, MISSING)
        if gate is MISSING:
            raise self.missing(label)
        return gate  # type: ignore[return-value]

    def missing(self, label: str) -> ConfigError:
        """Give the error for a label that the assignment says nothing about."""
        if not self.gates:
            return ConfigError(
                f"A supernet runs along gates, and none were given ({label!r} is the first choice "
                f"that needs one): supernet(x, gates=architecture), or call it inside "
                f"'with supernet.routed(gates):'."
            )
        return ConfigError(
            f"The gates say nothing about {label!r}, which this path needs: "
            f"{did_you_mean(label, map(str, self.gates))}."
        )

    def _unknown(self, gates: Assignment) -> ConfigError:
        label = next(label for label in gates if label not in self.labels)
        if label in self.pinned:
            return ConfigError(
                f"{label!r} is pinned to {self.pinned[label]!r} in this supernet and takes no gate."
            )
        return ConfigError(
            f"The supernet has no choice {label!r}: {did_you_mean(label, self.labels)}."
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Routing:
        return Routing(self.labels, self.pinned)

    def __reduce__(self) -> tuple[Any, ...]:
        return Routing, (self.labels, self.pinned)
