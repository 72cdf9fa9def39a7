"""Guards: what looks at a one-shot search after each epoch and says when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from archloom.architecture import Architecture
from archloom.nn import Assignment
from archloom.objective import Objective
from archloom.oneshot._gates import Gates, Judge

if TYPE_CHECKING:
    from archloom.nn import Supernet

Action: TypeAlias = Literal["warn", "stop", "switch"]
"""What follows from trouble: it is only said, the search ends, or another method takes over."""

ACTIONS = ("warn", "stop", "switch")


@dataclass(frozen=True)
class Verdict:
    """What a guard found wrong, and what is to follow.

    Attributes:
        action: what the search does about it.
        reason: the finding in words, one or two sentences with the numbers in them.
        architecture: what a search that stops falls back to; None for what its gates derive now.
        kind: a short name of the trouble, such as "skips" or "ranking".

    >>> Verdict("warn", "Cell 'normal' has 3 skip connections.", kind="skips").action
    'warn'
    """

    action: Action
    reason: str
    architecture: Architecture | None = None
    kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give plain data for the record."""
        found = None if self.architecture is None else self.architecture.to_json()
        return {
            "action": self.action,
            "reason": self.reason,
            "architecture": found,
            "kind": self.kind,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Read what `to_json` gave."""
        found = data.get("architecture")
        architecture = None if found is None else Architecture.from_json(found)
        return cls(data["action"], data["reason"], architecture, data.get("kind", ""))


@dataclass(frozen=True)
class Finding:
    """What a look gave: figures to be recorded and drawn, and a verdict where all is not well."""

    figures: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Past:
    """An earlier epoch as a guard may look back at it.

    `architecture` is what the gates derived then, `figures` all that the guards gave.
    """

    epoch: int
    architecture: Architecture | None
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give plain data, for a checkpoint or a note."""
        found = None if self.architecture is None else self.architecture.to_json()
        return {"epoch": self.epoch, "architecture": found, "figures": dict(self.figures)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Past:
        """Read what `to_json` gave."""
        found = data["architecture"]
        architecture = None if found is None else Architecture.from_json(found)
        return cls(data["epoch"], architecture, data["figures"])


@dataclass(frozen=True, eq=False)
class View:
    """A one-shot search as a guard or the monitor sees it after an epoch; looking changes nothing.

    Attributes:
        epoch: how many epochs are trained, from 1.
        epochs: how many are planned.
        supernet: the supernet, its space and its model.
        gates: the method.
        derived: what the gates derive now; None for methods that only sample.
        judge: runs an assignment on one validation batch, the same one at every look: loss with
            graph, and score.
        score: the objective's metric of the supernet under an assignment, on validation data,
            without graph, batch statistics measured anew.
        inherited: the same metric of an architecture's own model with the supernet's weights.
        past: the earlier epochs, oldest first.
        objective: what `score` and `inherited` give, and its direction.
        seed: of the search.
    """

    epoch: int
    epochs: int
    supernet: Supernet
    gates: Gates
    derived: Architecture | None
    judge: Judge
    score: Callable[[Assignment], float]
    inherited: Callable[[Architecture], float]
    past: Sequence[Past] = ()
    objective: Objective = field(default_factory=lambda: Objective("accuracy"))
    seed: int = 0


@runtime_checkable
class Guard(Protocol):
    """Looks at the search after each epoch; a frozen dataclass of settings without state.

    What it needs of earlier epochs it reads from `view.past`, where its own figures are, so that
    a resumed search goes on as if it had never ended.

    >>> @dataclass(frozen=True)
    ... class Patience:
    ...     epochs: int = 3
    ...
    ...     def look(self, view):
    ...         recent = [past.architecture for past in view.past[-self.epochs :]]
    ...         if len(recent) < self.epochs or any(a != view.derived for a in recent):
    ...             return Finding()
    ...         return Finding(verdict=Verdict("stop", f"No change for {self.epochs} epochs."))
    >>> isinstance(Patience(), Guard)
    True
    """

    def look(self, view: View, /) -> Finding:
        """Give figures, and a verdict where something is wrong."""
        ...


@runtime_checkable
class Particular(Protocol):
    """A guard that works with some methods only, and says so before a search begins."""

    def check(self, gates: Gates, loss: Tensor | None, /) -> None:
        """Raise `ConfigError` where it cannot work; `loss` is one of the architecture's steps."""
        ...


def look(guards: Sequence[Guard], view: View) -> tuple[dict[str, float], list[Verdict]]:
    """Let every guard look; give all their figures and all their verdicts."""
    figures: dict[str, float] = {}
    verdicts: list[Verdict] = []
    for guard in guards:
        finding = guard.look(view)
        figures.update(finding.figures)
        if finding.verdict is not None:
            verdicts.append(finding.verdict)
    return figures, verdicts


def gravest(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Give the verdict whose action goes furthest, the first of several; None without any.

    >>> gravest([Verdict("warn", "a"), Verdict("switch", "b"), Verdict("stop", "c")]).reason
    'b'
    """
    return max(verdicts, key=lambda verdict: ACTIONS.index(verdict.action), default=None)
