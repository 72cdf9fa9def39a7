"""What can happen in a run: four kinds of frozen events, each with a JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archloom.architecture import Architecture
from archloom.errors import JournalError
from archloom.trial import State


@dataclass(frozen=True)
class Started:
    """A trial began. `time` is seconds since the epoch, as in every event."""

    number: int
    stage: str
    architecture: Architecture
    seed: int
    epochs: int | None = None
    parent: int | None = None
    time: float = 0.0
    budget: float | None = None


@dataclass(frozen=True)
class Reported:
    """A running trial gave intermediate metrics; `seconds` is its wall time so far."""

    number: int
    step: int
    metrics: Mapping[str, float]
    seconds: float = 0.0
    time: float = 0.0


@dataclass(frozen=True)
class Finished:
    """A trial ended, with metrics or with the text of an error."""

    number: int
    state: State
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    time: float = 0.0


@dataclass(frozen=True)
class Noted:
    """Something about the run that is no trial: its settings, a stage's end, a test access."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    time: float = 0.0


Event: TypeAlias = Started | Reported | Finished | Noted

_KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Started, Reported, Finished, Noted)
}
_to_text = json.JSONEncoder(separators=(",", ":")).encode
_from_text = json.JSONDecoder().raw_decode


def to_row(event: Event) -> tuple[float, str, str]:
    """Give (time, kind, JSON text of the other fields) of an event.

    Raises:
        JournalError: for metrics or notes that JSON cannot hold.
    """
    data = {k: v for k, v in vars(event).items() if k != "time" and v is not None}
    if isinstance(event, Started):
        data["architecture"] = None  # its canonical text is kept and spliced in below
    try:
        text = _to_text(data)
    except (TypeError, ValueError) as error:
        raise JournalError(
            f"An event holds plain data (numbers, texts, lists, dicts), and {event!r} does not "
            f"({error}): turn arrays and tensors into numbers before they are recorded."
        ) from error
    if isinstance(event, Started):
        text = text.replace('"architecture":null', f'"architecture":{event.architecture.text}', 1)
    return event.time, type(event).__name__.lower(), text


def from_row(time: float, kind: str, text: str) -> Event:
    """Read back what `to_row` gave.

    Raises:
        JournalError: for a kind or a field that this version does not know, and damaged text.

    >>> from_row(*to_row(Reported(3, 1, {"accuracy": 0.5}))).metrics
    {'accuracy': 0.5}
    """
    if kind not in _KINDS:
        raise JournalError(
            f"The journal holds an event of kind {kind!r} that this version of archloom does not "
            f"know: open the run with the version that wrote it, or a newer one."
        )
    try:
        data = _from_text(text)[0]
        if kind == "started":
            data["architecture"] = Architecture.from_json(data["architecture"])
        elif kind == "finished":
            data["state"] = State(data["state"])
        return _KINDS[kind](time=time, **data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise JournalError(
            f"An event of kind {kind!r} cannot be read ({error}): {text[:200]!r}. It is damaged, "
            f"or written by a newer version of archloom: use that version or a copy of the run."
        ) from error
