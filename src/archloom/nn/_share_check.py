"""Which choices of a space cannot share weights, found on the meta device before any training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor

from archloom.architecture import Architecture, Value
from archloom.errors import ConfigError, SpaceError
from archloom.nn._blend import UnequalShapes
from archloom.nn._cover import cover
from archloom.nn._fixed import TRAIN_SCOPE
from archloom.nn._meta import CODE_ERRORS, without_data
from archloom.nn._mixed import Mixed
from archloom.nn._share_compare import difference
from archloom.nn._supernet import Refused, Supernet
from archloom.nn._verify import Example, call, like, shortened
from archloom.space import Choice, Option

if TYPE_CHECKING:
    from archloom.nn._model_space import ModelSpace
    from archloom.nn._routing import Gate

_ERRORS: Final = (*CODE_ERRORS, SpaceError, ConfigError, NotImplementedError)


def unshareable(space: ModelSpace, example: Example | None = None) -> dict[str, Value]:
    """Give the choices that one set of weights cannot serve, with their default values.

    That is what `ModelSpace.pinned` takes, and what `supernet(pinned="auto")` pins: values that are
    no numbers, numbers that code compares or that no layer of torch takes, and choices on which
    something outside of their options hangs. They are found by comparing, without data, what the
    supernet would run with what `build` gives, for architectures that cover every option.

    Args:
        space: what is to be shared.
        example: a batch, as in `ModelSpace.verify`: also finds options that fail on it, and such
            whose outputs differ in shape.

    Raises:
        SpaceError: when the space does not work even with all choices pinned.

    >>> from archloom.nn import model_space, unshareable
    >>> from torch import nn
    >>> @model_space
    ... def tiny(pick):
    ...     act = pick.value("act", ["relu", "tanh"])
    ...     op = pick.layer("op", {"linear": lambda: nn.Linear(2, 2), "skip": nn.Identity})
    ...     return nn.Sequential(op, nn.ReLU() if act == "relu" else nn.Tanh())
    >>> unshareable(tiny)
    {'act': 'relu'}
    """
    return {label: value for label, (value, _) in why_unshareable(space, example).items()}


def why_unshareable(
    space: ModelSpace, example: Example | None = None
) -> dict[str, tuple[Value, str]]:
    """Give what `unshareable` gives, each value with the reason why its choice cannot be shared.

    Raises:
        SpaceError: as there.

    >>> from archloom.zoo import nasbench201
    >>> why_unshareable(nasbench201)
    {}
    """
    found: dict[str, tuple[Value, str]] = {}
    while True:
        rest = space.pinned({label: value for label, (value, _) in found.items()})
        fault = _fault(rest, example)
        if fault is None:
            return found
        if not fault.labels:
            raise SpaceError(f"{space.name} cannot be shared: {fault.said}") from fault.cause
        labels = rest.space.labels
        found |= {label: (labels[label].domain.default, fault.why(label)) for label in fault.labels}


def shareable(space: ModelSpace, example: Example | None, *, pin: bool) -> ModelSpace:
    """Give a space every architecture of which can be a part of one model.

    Raises:
        SpaceError: unless `pin`, naming the choices that cannot be shared and how to pin them.
    """
    if pin:
        return space.pinned(unshareable(space, example))
    fault = _fault(space, example)
    if fault is None:
        return space
    if not fault.labels:
        raise SpaceError(f"{space.name} cannot be shared: {fault.said}") from fault.cause
    names = ", ".join(map(repr, fault.labels))
    pins = unshareable(space, example)
    raise SpaceError(
        f"One set of weights cannot serve all options of {names}: {fault.said.rstrip('.')}. "
        f"Settle what cannot be shared with pinned={pins}, which pinned='auto' does, or with "
        f"other values."
    ) from fault.cause


@dataclass(frozen=True)
class _Fault:
    """Why a space cannot be shared, and the labels that are to blame, if any is."""

    labels: tuple[str, ...]
    said: str
    cause: BaseException | None = None

    def why(self, label: str) -> str:
        """Say what is wrong with one of the labels."""
        return self.cause.labels[label] if isinstance(self.cause, Refused) else self.said


class _Trial:
    """A supernet without data, and what is wrong with its architectures."""

    def __init__(self, space: ModelSpace, example: Example | None) -> None:
        self.space = space.space
        self._supernet = Supernet(space)
        self._example = example
        self._even = {
            module.label: module.same_shape
            for module in self._supernet.modules()
            if isinstance(module, Mixed)
        }

    def fault(self, architecture: Architecture) -> tuple[str, BaseException] | None:
        """Say why an architecture cannot be a part of the supernet."""
        try:
            pairs, _ = without_data(lambda: self._supernet.match(architecture))
            for shared, plain in pairs:
                difference(shared, plain, architecture)
            self._run(architecture)
        except _ERRORS as error:
            return shortened(error), error
        return None

    def blended(self) -> UnequalShapes | None:
        """Give the options that differ in shape, if there are any that should not."""
        gates: dict[str, Gate] = {}
        for label, choice in self.space.labels.items():
            number = len(_options(choice))
            if choice.kind == "layer" and self._even[label]:
                gates[label] = torch.full((number,), 1 / number)
            elif choice.kind == "subset":
                gates[label] = tuple(option.value for option in _options(choice))
            else:
                gates[label] = _largest(choice)
        try:
            self._run(gates)
        except UnequalShapes as error:
            return error
        except _ERRORS:
            # Some spaces run along single paths only; the check of each path has spoken for them.
            return None
        return None

    def _run(self, gates: Any) -> None:
        if self._example is None:
            return
        device = self._supernet.device
        example = like(self._example, device)
        gates = {n: g.to(device) if isinstance(g, Tensor) else g for n, g in gates.items()}
        with torch.no_grad(), self._supernet.routed(gates):
            call(self._supernet.train(), example)


def _fault(space: ModelSpace, example: Example | None) -> _Fault | None:
    """Find what keeps a space from being shared."""
    try:
        trial = without_data(lambda: _Trial(space, example))
    except Refused as error:
        return _Fault(tuple(error.labels), str(error), error)
    except _ERRORS as error:
        return _pinning_helps(space, example, shortened(error), error)
    base = space.space.complete({}, _largest)
    if wrong := trial.fault(base):
        return _pinning_helps(space, example, *wrong)
    blamed: dict[str, None] = {}
    first: tuple[str, BaseException] | None = None
    for architecture in cover(space.space):
        if not (wrong := trial.fault(architecture)):
            continue
        first = first or wrong
        known = {label: base[label] for label in blamed if label in base}
        rest = space.space.complete({**architecture, **known}, _largest)
        if trial.fault(rest):
            blamed |= dict.fromkeys(_blamed(trial, base, rest))
    if first:
        return _Fault(tuple(blamed), *first)
    if example is not None and (unequal := trial.blended()):
        return _Fault((unequal.label,), str(unequal), unequal)
    return None


def _blamed(trial: _Trial, base: Architecture, failing: Architecture) -> Iterator[str]:
    """Give the labels that break the model, going from a working architecture to a failing one.

    One label after the other takes the failing architecture's value, unless that breaks it.
    """
    here = base
    for label in trial.space.labels:
        if label not in failing or here.get(label) == failing[label]:
            continue
        there = trial.space.complete({**here, label: failing[label]}, _largest)
        if trial.fault(there):
            yield label
        else:
            here = there


def _pinning_helps(
    space: ModelSpace, example: Example | None, said: str, cause: BaseException
) -> _Fault:
    """Find the label whose pinning makes the supernet work; failing that, all of a kind."""
    labels = {
        label: choice
        for label, choice in space.space.labels.items()
        if not label.startswith(TRAIN_SCOPE)
    }
    # What the error speaks of comes first, only to save time.
    order = {
        label: (label not in said, _KINDS.index(choice.kind)) for label, choice in labels.items()
    }
    by_kind = sorted(labels, key=order.__getitem__)
    values = tuple(label for label in labels if labels[label].kind == "value")
    repeats = tuple(label for label in labels if labels[label].kind in ("value", "repeat"))
    for several in (*((label,) for label in by_kind), values, repeats, tuple(labels)):
        pins = {label: labels[label].domain.default for label in several}
        if several and _works(space.pinned(pins), example):
            return _Fault(several, said, cause)
    return _Fault((), said, cause)


def _works(space: ModelSpace, example: Example | None) -> bool:
    """Say whether the largest architecture is a part of a supernet."""
    try:
        trial = without_data(lambda: _Trial(space, example))
    except _ERRORS:
        return False
    return trial.fault(space.space.complete({}, _largest)) is None


_KINDS: Final = ("value", "repeat", "subset", "layer")


def _largest(choice: Choice) -> Value:
    """Give the value with which a supernet runs on all of its weights."""
    domain = choice.domain
    if choice.kind == "value":
        values = cast("list[float]", list(domain.values(2)))
        if all(isinstance(value, int | float) for value in values):
            return max(values)
    return list(domain.values())[-1] if choice.kind == "repeat" else domain.default


def _options(choice: Choice) -> tuple[Option, ...]:
    return getattr(choice.domain, "options", ())
