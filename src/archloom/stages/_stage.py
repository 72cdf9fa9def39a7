"""The contract of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from archloom.stages._lab import Lab


class Stage(Protocol):
    """A step of an experiment, such as a search, a retraining or the final test.

    **Resume is replay**: `run` looks at `lab.study` first, and does only what is not recorded
    there. Called on a complete study it changes nothing.
    """

    @property
    def name(self) -> str:
        """The stage's own name, under which its trials are recorded."""
        ...

    def run(self, lab: Lab) -> None:
        """Record trials or notes until the stage is done."""
        ...

    def check(self, lab: Lab) -> None:
        """Raise `ConfigError` or `SpaceError` if `run` could not work; called before any stage."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data, for the record and for the check at resume."""
        ...
