"""Ensemble: get the most out of the trained models, on validation data only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archloom.ensemble import Choice, find_leaves, parts_of, write_members
from archloom.errors import ConfigError
from archloom.journal import Finished
from archloom.stages._choosing import Settings, Switch, choose
from archloom.stages._kept import has_weights
from archloom.stages._lab import Lab
from archloom.stages._retrain import distilling
from archloom.trial import Proposal, State, Trial

DISTILL = "distill"
"""The stage that a distilled network is recorded under."""


@dataclass(frozen=True)
class Ensemble:
    """Combine the `top` best trained models where that is better than the best of them alone.

    Everything is chosen by predictions for validation data, or for cross-validated trials by
    out-of-fold predictions, and kept only where it helps by more than one standard error: an
    ensemble (greedy selection, `archloom.ensemble.choose_members`), test-time augmentation with
    the views that the task's augmentations allow, a temperature that calibrates probabilities,
    and a decision threshold for two classes or labels. What was chosen, and why the rest was
    not, is noted in the record (`study.note("ensemble")`); if it is anything but a single model
    as it is, it is recorded as a trial, which is tested and saved as the winner.

    The weights of at least the `top` best trials of each search stay in the run folder.

    Args:
        rounds: of the greedy selection; 0 gives all members equal weights.
        tta: test-time augmentation; True takes the best views even if they do not help, False
            tries none.
        temperature: likewise.
        threshold: "auto" tunes it for an objective that is an accuracy, a balanced accuracy or
            an F1 score; a number is used as it is; None leaves it at one half.
        distill: train one network on what the ensemble predicts (stage `distill`) and let it
            win, unless a single network of the run is better.

    Raises (from `check`):
        ConfigError: for settings out of range, and a threshold or a distillation that the task
            has no use for.
    """

    top: int = 10
    rounds: int = 50
    tta: Switch = "auto"
    temperature: Switch = "auto"
    threshold: float | Literal["auto"] | None = "auto"
    distill: bool = False
    name: str = "ensemble"

    @property
    def keeps(self) -> int:
        """How many trials of each search must keep their files."""
        return self.top

    def check(self, lab: Lab) -> None:
        """Raise if the settings cannot work."""
        if self.top < 1:
            raise ConfigError(f"An ensemble is chosen from at least one trial, got top={self.top}.")
        if self.rounds < 0:
            raise ConfigError(f"rounds must be a whole number from 0, got {self.rounds}.")
        for name in ("tta", "temperature"):
            if getattr(self, name) not in (True, False, "auto"):
                raise ConfigError(f"{name} is True, False or 'auto', got {getattr(self, name)!r}.")
        self._check_threshold(lab)
        if self.distill and lab.task.target.kind not in ("classes", "labels", "numbers"):
            raise ConfigError(
                f"An ensemble is distilled for classes, labels or numbers, got a target of kind "
                f"{lab.task.target.kind!r}: set distill=False."
            )

    def _check_threshold(self, lab: Lab) -> None:
        if self.threshold is None or self.threshold == "auto":
            return
        if not isinstance(self.threshold, int | float) or not 0 < self.threshold < 1:
            raise ConfigError(
                f"threshold is 'auto', None or a probability in (0, 1), got {self.threshold!r}."
            )
        target = lab.task.target
        if target.kind != "labels" and not (target.kind == "classes" and target.outputs == 2):
            raise ConfigError(
                f"A threshold decides between two classes or about labels, and the task has "
                f"{target.outputs} {target.kind}: set threshold=None."
            )

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        return {
            "name": self.name,
            "kind": "Ensemble",
            "top": self.top,
            "rounds": self.rounds,
            "tta": self.tta,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "distill": self.distill,
        }

    def run(self, lab: Lab) -> None:
        """Choose, unless the same candidates were chosen from before; record and distill."""
        if lab.task.outputs is None:
            lab.end(self.name, "it is not known how to average outputs of a loss of one's own")
            return
        self._end_interrupted(lab)
        candidates = self._candidates(lab)
        if not candidates:
            lab.end(self.name, "no trained model to combine")
            return
        note = lab.study.note("ensemble")
        if note is None or note["candidates"] != [t.number for t in candidates]:
            settings = Settings(self.rounds, self.tta, self.temperature, self.threshold)
            note = {
                "stage": self.name,
                "number": lab.study.count(self.name),
                **choose(lab, candidates, settings),
            }
            lab.note("ensemble", note)
        chosen = self._recorded(lab, note) if note["used"] else lab.study[note["members"][0]]
        if self.distill:
            self._distilled(lab, chosen)
        lab.end(self.name, note["reason"])

    def _candidates(self, lab: Lab) -> list[Trial]:
        objective = lab.objectives[0]
        usable = [
            trial
            for trial in lab.study.trials(None, State.DONE)
            if trial.stage not in (self.name, DISTILL)
            and objective.metric in trial.metrics
            and has_weights(lab, trial)
        ]
        usable.sort(key=lambda t: (-objective.gain(t.metrics[objective.metric]), t.number))
        return usable[: self.top]

    def _recorded(self, lab: Lab, note: Mapping[str, Any]) -> Trial:
        """Give the trial of a choice, recorded unless it is."""
        number: int = note["number"]
        known = lab.study.trials(self.name)
        if len(known) > number:
            return known[number]
        best = lab.study[note["members"][0]]
        trial = lab.start(self.name, Proposal(best.architecture, None, best.number))
        return _finish(lab, trial, note)

    def _end_interrupted(self, lab: Lab) -> None:
        """Finish a choice whose recording was cut off after the trial's start."""
        for place, trial in enumerate(lab.study.trials(self.name)):
            if not trial.state.ended:
                notes = [noted.data for noted in lab.study.notes("ensemble")]
                _finish(lab, trial, next(n for n in notes[::-1] if n["number"] == place))

    def _distilled(self, lab: Lab, teacher: Trial) -> None:
        """Train one network on what the teacher predicts, unless the teacher is one network."""
        if len(find_leaves(teacher.architecture, lab.files(teacher))) == 1:
            return
        if all(trial.parent != teacher.number for trial in lab.study.trials(DISTILL)):
            best = self._first_member(lab, teacher)
            proposal = Proposal(best.architecture, best.epochs, teacher.number)
            lab.start(DISTILL, proposal)
        for trial in lab.study.trials(DISTILL, State.RUNNING):
            teacher = lab.study[trial.parent or 0]
            best = self._first_member(lab, teacher)
            lab.evaluate(trial, distilling(lab, best, lab.files(teacher).name))

    def _first_member(self, lab: Lab, teacher: Trial) -> Trial:
        return teacher if teacher.stage != self.name else lab.study[teacher.parent or 0]


def _finish(lab: Lab, trial: Trial, note: Mapping[str, Any]) -> Trial:
    """Say in the trial's folder what its model is made of, and record its scores."""
    choice = Choice.from_json(note)
    members = [
        {
            "trial": number,
            "folder": f"../{lab.files(lab.study[number]).name}",
            "architecture": lab.study[number].architecture.to_json(),
            "share": share,
        }
        for number, share in zip(choice.members, choice.weights, strict=True)
    ]
    write_members(
        lab.files(trial),
        members,
        parts_of(lab.task.target),
        lab.task.train.inputs,
        views=list(choice.views),
        temperature=choice.temperature,
        bias=None if choice.bias is None else list(choice.bias),
        threshold=None if choice.threshold is None else list(choice.threshold),
    )
    metrics, seconds = note["metrics"], note["seconds"]
    lab.append(Finished(trial.number, State.DONE, metrics, seconds, time=time.time()))
    return lab.study[trial.number]
