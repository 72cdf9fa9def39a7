"""Fixed: the reading that builds the one model of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from torch import nn

from archloom.architecture import Architecture, Value
from archloom.errors import LabelConflict, UnknownChoice, UnusedChoice
from archloom.nn._pick import Pick
from archloom.nn._reading import Join, Thunk
from archloom.nn._trace import (
    Question,
    Trace,
    asked_layer,
    asked_repeat,
    asked_subset,
    asked_value,
)
from archloom.space import Domain

TRAIN_SCOPE: Final = "train."
"""Labels that start with it set the training, and a build need not ask for them."""


@dataclass(frozen=True)
class Answer:
    """Which module answered a `pick.layer`."""

    label: str
    option: str
    module: nn.Module


@dataclass(frozen=True)
class Built:
    """A finished model, and which of its modules answered which layer choice."""

    model: nn.Module
    answers: tuple[Answer, ...]


def fixed(read: Callable[[Pick], nn.Module], trace: Trace, architecture: Architecture) -> Built:
    """Run a space function with the answers of an architecture that is a point of the space.

    Raises:
        UnknownChoice: when the function asks for a label that the trace did not see there.
        UnusedChoice: when the function does not ask for an active label.
        LabelConflict: when a label's options differ from those that were traced.
    """
    reading = Fixed(trace, architecture)
    model = read(Pick(reading))
    reading.finish()
    return Built(model, tuple(reading.answers))


@final
class Fixed:
    """A reading that runs the chosen options only, and remembers which module answered what."""

    def __init__(self, trace: Trace, architecture: Architecture) -> None:
        self._trace = trace
        self._architecture = architecture
        self._asked: set[str] = set()
        self.answers: list[Answer] = []

    def value(self, label: str, domain: Domain) -> Value:
        """Give the architecture's value."""
        return self._take(label, asked_value(domain))

    def layer(self, label: str, makes: Mapping[str, Thunk], same_shape: bool) -> nn.Module:
        """Make the chosen option."""
        chosen = str(self._take(label, asked_layer(makes, same_shape)))
        module = makes[chosen]()
        self.answers.append(Answer(label, chosen, module))
        return module

    def repeat(
        self, label: str, make: Callable[[int], nn.Module], low: int, high: int, join: Join
    ) -> nn.Module:
        """Make and join as many modules as chosen."""
        depth = self._take(label, asked_repeat(low, high))
        assert isinstance(depth, int)
        return join([make(index) for index in range(depth)])

    def subset(self, label: str, makes: Mapping[str, Thunk], low: int, high: int) -> nn.ModuleDict:
        """Make the chosen options."""
        chosen = self._take(label, asked_subset(makes, low, high))
        assert isinstance(chosen, tuple)
        return nn.ModuleDict({name: makes[name]() for name in makes if name in chosen})

    def finish(self) -> None:
        """Raise `UnusedChoice` when an active label was never asked for."""
        for label in self._architecture:
            if label not in self._asked and not label.startswith(TRAIN_SCOPE):
                raise UnusedChoice(
                    f"{label!r} is active in the architecture but the build did not ask for it, so "
                    f"two architectures would be one model: an `if` over another choice skips it. "
                    f"Put it inside the option of pick.layer (or the body of pick.repeat) that "
                    f"needs it."
                )

    def _take(self, label: str, question: Question) -> Value:
        seen = self._trace.questions.get(label)
        if seen is None:
            raise UnknownChoice(
                f"{label!r} was not seen when the space was traced: it hangs on an `if` or "
                f"`range()` over another choice. Put it inside pick.repeat or pick.layer."
            )
        if label not in self._architecture:
            raise UnknownChoice(
                f"{label!r} was seen elsewhere when the space was traced, but is not active in "
                f"this architecture: it hangs on an `if` or `range()` over another choice. Put it "
                f"inside pick.repeat or pick.layer, or ask it before the `if`."
            )
        if question != seen:
            raise LabelConflict(
                f"{label!r} was traced as {seen} but this architecture asks for {question}: its "
                f"options hang on another choice. Offer the same options everywhere, or put the "
                f"two under different options of pick.layer."
            )
        self._asked.add(label)
        return self._architecture[label]
