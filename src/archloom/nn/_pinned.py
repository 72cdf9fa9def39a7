"""Pinned: a reading that answers some labels itself and passes the others on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast, final

from torch import nn

from archloom.architecture import Value, as_value, token
from archloom.errors import ConfigError, did_you_mean
from archloom.nn._fixed import TRAIN_SCOPE
from archloom.nn._pick import Pick
from archloom.nn._reading import Join, Reading, Thunk
from archloom.space import Domain, Space


@final
class Pinned:
    """A reading over another one, which never hears of the pinned labels."""

    def __init__(self, inner: Reading, answers: Mapping[str, Value]) -> None:
        self._inner = inner
        self._answers = answers

    def value(self, label: str, domain: Domain) -> Value:
        """Give the pinned value."""
        if label in self._answers:
            return self._answers[label]
        return self._inner.value(label, domain)

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        """Make the pinned option."""
        if label in self._answers:
            return makes[cast("str", self._answers[label])]()
        return self._inner.layer(label, makes, same_shape)

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        """Make and join the pinned number of modules."""
        if label in self._answers:
            return join([make(index) for index in range(cast("int", self._answers[label]))])
        return self._inner.repeat(label, make, low, high, join)

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        """Make the pinned options."""
        if label in self._answers:
            chosen = cast("tuple[Value, ...]", self._answers[label])
            return nn.ModuleDict({name: makes[name]() for name in makes if name in chosen})
        return self._inner.subset(label, makes, low, high)


def pinning(pick: Pick, answers: Mapping[str, Value]) -> Pick:
    """Give a pick of the same scope whose reading answers these labels of that scope itself."""
    if not answers:
        return pick
    scope = f"{pick._scope}." if pick._scope else ""
    scoped = {f"{scope}{label}": value for label, value in answers.items()}
    return Pick(Pinned(pick._reading, scoped), pick._scope)


def merged(
    pins: Mapping[str, Value], values: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Value]:
    """Give the pins with more of them.

    Raises:
        ConfigError: for a label that is pinned to another value already, and for no mapping.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"What is pinned must be a mapping from labels to values, got {values!r}."
        )
    given = {label: as_value(value) for label, value in {**values, **more}.items()}
    for label, value in given.items():
        if label in pins and token(pins[label]) != token(value):
            raise ConfigError(
                f"{label!r} cannot be pinned to {value!r}: it is pinned to {pins[label]!r} already."
            )
    return {**pins, **given}


def check_pinned(space: Space, answers: Mapping[str, Value]) -> None:
    """Make sure that each label is a choice of the space and each value one of its options.

    Raises:
        ConfigError: naming what is not.
    """
    for label, value in answers.items():
        choice = space.labels.get(label)
        if choice is None:
            raise ConfigError(
                f"{label!r} cannot be pinned, since the space has no such choice: "
                f"{did_you_mean(label, space.labels)}."
            )
        if label.startswith(TRAIN_SCOPE):
            raise ConfigError(
                f"{label!r} cannot be pinned: it sets the training. Leave it out of the joint "
                f"space, and give the estimator the value."
            )
        fault = choice.domain.fault(value)
        if fault is not None:
            raise ConfigError(f"{label!r} cannot be pinned to {value!r}: it {fault}.")
