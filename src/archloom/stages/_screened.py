"""What the record holds of a screening, for the search that comes after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from archloom.architecture import Architecture
from archloom.stages._lab import Lab
from archloom.study import Study
from archloom.trial import Trial

RATED: Final = "rated"
"""The kind of note on each architecture of the pool."""
SCREENED: Final = "screened"
"""The kind of note on what a screening came to."""
_QUICK: Final = 0.1  # seconds to rate an architecture that was not in the pool


@dataclass(frozen=True)
class Rated:
    """An architecture with its cheap scores, none where it could not be rated."""

    architecture: Architecture
    scores: Mapping[str, float]
    seconds: float = 0.0
    error: str | None = None


def rated_in(study: Study, stage: str) -> dict[str, Rated]:
    """Give what a stage rated, by the key of the architecture, in the order of rating."""
    found: dict[str, Rated] = {}
    for noted in study.notes(RATED):
        data = noted.data
        if data["stage"] == stage:
            architecture = Architecture.from_json(data["architecture"])
            found.setdefault(
                architecture.key,
                Rated(architecture, data["scores"], data["seconds"], data["error"]),
            )
    return found


def screened_in(study: Study, stage: str) -> Mapping[str, Any] | None:
    """Give the note on what a stage came to, None while it is not done."""
    notes = [noted.data for noted in study.notes(SCREENED) if noted.data["stage"] == stage]
    return notes[-1] if notes else None


def first_of(study: Study) -> tuple[Architecture, ...]:
    """Give the architectures that the last screening hands on, best first.

    >>> first_of(Study())
    ()
    """
    note = study.note(SCREENED)
    found = () if note is None else note["first"]
    return tuple(Architecture.from_json(data) for data in found)


def checked_of(study: Study) -> list[Trial]:
    """Give the trials that the last screening trained as the search does, for its strategy."""
    note = study.note(SCREENED)
    return study.told(note["stage"]) if note is not None and note["shared"] else []


class Features:
    """The cheap scores that a screening kept, as a function of the architecture.

    What was rated before is read from the record. A new architecture is rated and recorded where
    that took the pool no more than 0.1 seconds an architecture; otherwise it has none. `in` tells
    which were rated.
    """

    def __init__(self, lab: Lab, stage: Any, names: tuple[str, ...], *, quick: bool) -> None:
        self.names = names
        self._quick = quick
        self._lab = lab
        self._stage = stage
        self._known = rated_in(lab.study, stage.name)

    def __call__(self, architecture: Architecture) -> Mapping[str, float]:
        """Give the scores; none where the architecture cannot be rated, or not quickly."""
        if architecture.key not in self._known:
            if not self._quick:
                return {}
            self._known[architecture.key] = self._stage.rate(self._lab, architecture)
        scores = self._known[architecture.key].scores
        return {name: scores[name] for name in self.names if name in scores}

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.key in self._known


def features_of(lab: Lab) -> Features | None:
    """Give the scores that the last screening trusts as features, None where there are none."""
    note = lab.study.note(SCREENED)
    if note is None:
        return None
    names = tuple(trust["score"] for trust in note["trust"] if trust["weight"])
    stage = next((stage for stage in lab.stages if stage.name == note["stage"]), None)
    if not names or stage is None:
        return None
    return Features(lab, stage, names, quick=note["seconds"] <= _QUICK * note["pool"])
