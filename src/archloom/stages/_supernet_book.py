"""SupernetBook: what the record holds about a supernet's training, and its share of the time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archloom.architecture import Architecture
from archloom.errors import SpaceError
from archloom.nn import why_unshareable
from archloom.oneshot import Bilevel, Halves, Past, Verdict, gravest
from archloom.space import Floats, SomeOf, Space
from archloom.stages._black_box import BlackBox
from archloom.stages._lab import Lab
from archloom.stages._monitored import verdicts_after
from archloom.trial import Trial

if TYPE_CHECKING:
    from archloom.stages._one_shot import OneShot

EPOCH = "one-shot"
BEGIN = "one-shot-begin"
STOP = "one-shot-stop"
TUNED = "one-shot-tuned"
PERTURBED = "one-shot-perturbed"

_MOST_OPTIONS = 32  # of a range of numbers, as far as methods learn weights for its values

_FOR_SCORES = 0.25  # of the minutes, where a search over inherited scores follows


class SupernetBook:
    """The notes and trials of a stage that trains a supernet."""

    def __init__(self, lab: Lab, stage: OneShot) -> None:
        self._lab, self._stage = lab, stage

    # -- what is on record -------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether the beginning is on record."""
        return bool(self._notes(BEGIN))

    @property
    def epochs(self) -> list[Mapping[str, Any]]:
        """What was noted of each epoch, oldest first."""
        return self._notes(EPOCH)

    @property
    def stopped(self) -> Mapping[str, Any] | None:
        """Why the training ended before its time, None where it did not."""
        notes = self._notes(STOP)
        return notes[-1] if notes else None

    @property
    def preferred(self) -> Architecture | None:
        """What a search that was stopped falls back to, or found by perturbation; else None."""
        for note in (self.stopped, *reversed(self._notes(PERTURBED))):
            found = None if note is None else note.get("architecture")
            if found is not None:
                return Architecture.from_json(found)
        return None

    @property
    def planned_done(self) -> bool:
        """Whether all epochs are trained, none left out."""
        return self.stopped is None and len(self.epochs) >= self._planned

    @property
    def past(self) -> tuple[Past, ...]:
        """The epochs on record, as guards look back at them."""
        return tuple(
            Past.from_json(
                {
                    "epoch": note["epoch"],
                    "architecture": note["derived"],
                    "figures": note["figures"],
                }
            )
            for note in self.epochs
        )

    @property
    def ended(self) -> bool:
        """Whether no further epoch shall be trained."""
        if self.stopped is not None or len(self.epochs) >= self._planned:
            return True
        return any(self._lab.study.count(stage.name) for stage in self._later)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train or to record."""
        notes = self.epochs
        if not self.ended or not notes:
            return False
        last = notes[-1]
        if last["derived"] is not None and not self._tried(last["epoch"]):
            return False
        if not self._judged(last["epoch"]):
            return False
        if self._stage.perturb is None or not self.planned_done:
            return True
        perturbed = self._notes(PERTURBED)
        return bool(perturbed) and self._tried(perturbed[-1]["epoch"])

    @property
    def reason(self) -> str:
        """Why the training ended, in words."""
        done, stopped = len(self.epochs), self.stopped
        if stopped is not None:
            tail = " Another method takes over." if stopped["action"] == "switch" else ""
            return f"{stopped['reason']}{tail}"
        over = self.out_of_time(done)
        if done < self._planned and over is not None:
            return f"{over} after {done} of {self._planned} epochs"
        return f"the supernet is trained for {done} epoch{'' if done == 1 else 's'}"

    def noted(self, epoch: int) -> bool:
        """Whether an epoch's note is there."""
        return any(note["epoch"] == epoch for note in self.epochs)

    def trial(self, epoch: int) -> Trial | None:
        """Give the trial of the architecture that an epoch derived."""
        trials = self._lab.study.trials(self._stage.name)
        return next((trial for trial in trials if trial.epochs == epoch), None)

    def begin(self, halves: Halves) -> None:
        """Note how the training data are cut, and what is pinned."""
        sizes = {"weights": len(halves.weights), "arch": len(halves.arch)}
        split = {**sizes, "apart": halves.apart, "fingerprint": halves.fingerprint}
        pinned = _listed(self._lab.space.pins)
        options = option_names(self._lab.space.space)
        recipe, _ = self._stage.filled_for(self._lab)
        settings = {name: value for name, value in vars(recipe).items() if name != "shared"}
        told = {"pinned": pinned, "why": self._why(), "options": options}
        facts = {"split": split, "recipe": settings, **told}
        self._write(BEGIN, {"epochs": self._planned, **facts})

    def _why(self) -> dict[str, str]:
        """Say of each pinned choice that could not have been shared why it could not."""
        space = self._lab.space
        if not space.pins:
            return {}
        try:
            found = why_unshareable(space.unpinned, self._lab.task.example(2))
        except SpaceError:
            return {}
        return {label: said for label, (_, said) in found.items() if label in space.pins}

    def note(self, data: Mapping[str, Any]) -> None:
        """Note an epoch."""
        self._write(EPOCH, {"epochs": self._planned, **data})

    def verdicts(self, epoch: int) -> list[Verdict]:
        """Give what the guards found wrong after an epoch."""
        note = next(note for note in self.epochs if note["epoch"] == epoch)
        return [Verdict.from_json(data) for data in note["verdicts"]]

    def stop(self, epoch: int, verdict: Verdict) -> None:
        """Note why the training ends before its time."""
        self._write(STOP, {"epoch": epoch, **verdict.to_json()})

    def tuned(self, loop: Bilevel, seconds: float) -> None:
        """Note an epoch between the decisions of a perturbation."""
        assert loop.losses is not None  # an epoch was trained
        facts = {"decided": _listed(loop.decided), "train_loss": loop.losses.train}
        self._write(TUNED, {"epoch": loop.done, **facts, "seconds": round(seconds, 3)})

    def perturbed(self, epoch: int, derived: Architecture) -> None:
        """Note what a perturbation derived, once."""
        if not self._notes(PERTURBED):
            self._write(PERTURBED, {"epoch": epoch, "architecture": derived.to_json()})

    def _judged(self, epoch: int) -> bool:
        """Whether the monitor had its say about an epoch, and what follows is on record."""
        found, monitor = self.verdicts(epoch), self._stage.monitor
        if monitor is not None and epoch in monitor.checks(self._planned):
            checked = verdicts_after(self._lab, self._stage.name, epoch)
            if checked is None:
                return False
            found += checked
        worst = gravest(found)
        return worst is None or worst.action == "warn" or self.stopped is not None

    def _tried(self, epoch: int) -> bool:
        trial = self.trial(epoch)
        return trial is not None and trial.state.ended

    @property
    def _later(self) -> Sequence[Any]:
        """The stages after this one; none after one that took over from another."""
        stages = self._lab.stages
        return stages[stages.index(self._stage) + 1 :] if self._stage in stages else ()

    def _write(self, kind: str, data: Mapping[str, Any]) -> None:
        self._lab.note(kind, {"stage": self._stage.name, **data})

    def _notes(self, kind: str) -> list[Mapping[str, Any]]:
        notes = self._lab.study.notes(kind)
        return [note.data for note in notes if note.data["stage"] == self._stage.name]

    @property
    def _planned(self) -> int:
        return self._stage.planned

    # -- the time ----------------------------------------------------------------------------

    def out_of_time(self, done: int) -> str | None:
        """Say which limit ends the training after so many epochs, None while there is time."""
        lab = self._lab
        if not done:
            return None
        if lab.seconds_left() <= self._reserve:
            share = "the supernet's share of " if self._reserve else ""
            return f"{share}the {lab.limits.minutes:g} minutes is used up"
        return "the time is up" if lab.until_deadline() <= 0 else None

    def share_of_time(self, elapsed: float) -> float:
        """Give how much of the time is used, at least; 0 without a limit."""
        lab, shares = self._lab, [0.0]
        if lab.limits.minutes is not None:
            budget = max(60 * lab.limits.minutes - self._reserve, 1e-9)
            shares.append(self._spent / budget)
        left = lab.until_deadline()
        if math.isfinite(left):
            shares.append(elapsed / max(elapsed + left, 1e-9))
        return min(max(shares), 1.0)

    @property
    def _spent(self) -> float:
        trials = self._lab.study.trials(self._stage.name)
        notes = [*self.epochs, *self._notes(TUNED)]
        return float(sum(n["seconds"] for n in notes)) + sum(trial.seconds for trial in trials)

    @property
    def _reserve(self) -> float:
        """Seconds of the limit that are left to a search with this supernet's weights."""
        follows = any(isinstance(stage, BlackBox) for stage in self._later)
        return _FOR_SCORES * 60 * (self._lab.limits.minutes or 0.0) if follows else 0.0


def _listed(decided: Mapping[str, Any]) -> dict[str, Any]:
    return {
        label: list(value) if isinstance(value, tuple) else value
        for label, value in decided.items()
    }


def option_names(space: Space) -> dict[str, list[str]]:
    """Give the names of every choice's options, in the order of its probabilities.

    >>> from archloom.space import Choice, OneOf, Option
    >>> option_names(Space((Choice("width", "value", OneOf((Option(16), Option(32)))),)))
    {'width': ['16', '32']}
    """
    names = {}
    for label, choice in space.labels.items():
        domain = choice.domain
        if isinstance(domain, SomeOf):
            names[label] = [str(option.value) for option in domain.options]
        elif not isinstance(domain, Floats) and domain.count <= _MOST_OPTIONS:
            names[label] = [str(value) for value in domain.values()]
    return names
