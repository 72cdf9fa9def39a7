"""Verify: find the options that cannot be built or run, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from archloom.architecture import Architecture, Value
from archloom.errors import SpaceError
from archloom.nn._blend import shapes
from archloom.nn._cover import cover
from archloom.nn._fixed import Fixed
from archloom.nn._meta import CODE_ERRORS, without_data
from archloom.nn._pick import Pick
from archloom.nn._reading import Join, Thunk
from archloom.nn._trace import Trace
from archloom.space import Domain

Example: TypeAlias = "Tensor | tuple[Any, ...] | Mapping[str, Any]"

_LONGEST: Final = 300


def verify(
    read: Callable[[Pick], nn.Module],
    trace: Trace,
    example: Example,
    output_shape: tuple[int, ...] | None,
) -> None:
    """Build and run architectures that cover every option; see `ModelSpace.verify`."""
    trial = _Trial(read, trace, example)
    for number, architecture in enumerate(cover(trace.space)):
        fault = trial.fault(architecture, output_shape)
        if fault is None:
            continue
        blame = f"The space's first architecture ({_told(architecture)})"
        if number:
            blame = _blame(trial, trace, architecture, output_shape)
        raise SpaceError(f"{blame} cannot be used: {fault.said}") from fault.cause


@dataclass(frozen=True)
class _Fault:
    said: str
    cause: BaseException | None = None


class _Trial:
    """One run of an architecture without data: built, called with the example, looked at."""

    def __init__(self, read: Callable[[Pick], nn.Module], trace: Trace, example: Example) -> None:
        self._read = read
        self._trace = trace
        self._example = example
        self._running: list[str] = []

    def fault(
        self, architecture: Architecture, output_shape: tuple[int, ...] | None
    ) -> _Fault | None:
        """Say what is wrong with an architecture; raise `SpaceError` where the option is known."""
        try:
            output = without_data(lambda: self._output(architecture))
        except CODE_ERRORS as error:
            place = f"in {self._running[-1]}: " if self._running else ""
            return _Fault(place + shortened(error), error)
        if output_shape is None or shapes(output) == tuple(output_shape):
            return None
        return _Fault(f"it gives {shapes(output)} where {tuple(output_shape)} is wanted.")

    def _output(self, architecture: Architecture) -> Any:
        self._running.clear()
        fixed = Fixed(self._trace, architecture)
        reading = _Probed(fixed, architecture, self._running)
        model = self._read(Pick(reading))
        reading.finish()
        device = next(
            (t.device for t in (*model.parameters(), *model.buffers())), torch.empty(0).device
        )
        with torch.no_grad():
            return call(model.train(), like(self._example, device))


def call(model: nn.Module, example: Example) -> Any:
    """Call a model the way its example says: with a tensor, a tuple's or a dict's parts."""
    if isinstance(example, Mapping):
        return model(**example)
    return model(*example) if isinstance(example, tuple) else model(example)


def like(example: Example, device: torch.device) -> Any:
    """Give an example of zeros on that device."""
    return pytree.tree_map(
        lambda x: (
            torch.zeros(x.shape, dtype=x.dtype, device=device) if isinstance(x, Tensor) else x
        ),
        example,
    )


@final
class _Probed:
    """A fixed reading that also makes the options not chosen and runs them on the same input."""

    def __init__(
        self,
        fixed: Fixed,
        architecture: Architecture,
        running: list[str],
    ) -> None:
        self._fixed = fixed
        self._architecture = architecture
        self._running = running
        self._aside = 0

    def value(self, label: str, domain: Domain) -> Value:
        """Give the architecture's value, or the default in an option that was not chosen."""
        if not self._aside:
            return self._fixed.value(label, domain)
        return self._architecture.get(label, domain.default)

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        """Make the chosen option; set the others up to run when it runs."""
        if self._aside:
            return makes[str(self._architecture.get(label, next(iter(makes))))]()
        module = self._fixed.layer(label, makes, same_shape)
        chosen = self._fixed.answers[-1].option
        if same_shape:
            self._compare_all(label, chosen, module, makes)
        self._follow(_option(label, chosen), module)
        return module

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        """Make as many as the architecture says, or `low` in an option that was not chosen."""
        if not self._aside:
            return self._fixed.repeat(label, make, low, high, join)
        depth = cast("int", self._architecture.get(label, low))
        return join([make(index) for index in range(depth)])

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        """Make those of the architecture, or the first in an option that was not chosen."""
        if not self._aside:
            return self._fixed.subset(label, makes, low, high)
        chosen = cast("tuple[Value, ...]", self._architecture.get(label, tuple(makes)[:low]))
        return nn.ModuleDict({name: makes[name]() for name in makes if name in chosen})

    def finish(self) -> None:
        """Make sure that the build asked for every active label."""
        self._fixed.finish()

    def _follow(self, option: str, module: nn.Module) -> None:
        """Keep track of which options are running, so that a failure can be told with its place."""

        def enter(module: nn.Module, args: Any) -> None:
            self._running.append(option)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            self._running.pop()

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)

    def _compare_all(
        self, label: str, chosen: str, module: nn.Module, makes: Mapping[str, Thunk]
    ) -> None:
        """Run the other options on the chosen one's input, the first time that it is called."""
        self._aside += 1
        others = {name: make().train() for name, make in makes.items() if name != chosen}
        self._aside -= 1

        def compare(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            handle.remove()
            for name, other in others.items():
                _compare(label, (chosen, output), (name, other), args, kwargs)

        handle = module.register_forward_hook(compare, with_kwargs=True)


def _compare(
    label: str, chosen: tuple[str, Any], other: tuple[str, nn.Module], args: Any, kwargs: Any
) -> None:
    name, module = other
    try:
        output = module(*args, **kwargs)
    except CODE_ERRORS as error:
        taken = ", ".join(str(shapes(arg)) for arg in (*args, *kwargs.values()))
        raise SpaceError(
            f"Option {name!r} of {label!r} fails on an input of shape {taken}: {shortened(error)}"
        ) from error
    if shapes(output) != shapes(chosen[1]):
        raise SpaceError(
            f"Option {name!r} of {label!r} gives {shapes(output)} where {chosen[0]!r} gives "
            f"{shapes(chosen[1])}: pad it, or pass same_shape=False."
        )


def _blame(
    trial: _Trial, trace: Trace, failing: Architecture, output_shape: tuple[int, ...] | None
) -> str:
    """Name the option that breaks the model, going from a working architecture to the failing one.

    One label after the other takes the failing architecture's value; the step that breaks the
    model is to blame, alone if it breaks the first architecture too.
    """
    first = trace.space.default()
    here = first
    for label in trace.space.labels:
        if label not in failing or here.get(label) == failing[label]:
            continue
        there = trace.space.complete({**here, label: failing[label]})
        if trial.fault(there, output_shape) is None:
            here = there
            continue
        option = _option(label, failing[label])
        alone = trace.space.complete({**first, label: failing[label]})
        if trial.fault(alone, output_shape) is not None:
            return option
        changed = [_option(n, v) for n, v in here.items() if first.get(n) != v]
        return f"{option} together with {', '.join(changed)}"
    return f"The architecture ({_told(failing)})"


def _option(label: str, value: Value) -> str:
    return f"option {value!r} of {label!r}"


def _told(architecture: Architecture) -> str:
    return ", ".join(f"{label}={value!r}" for label, value in architecture.items())


def shortened(error: BaseException) -> str:
    """Give what an error says, in one line of at most 300 letters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
