"""KeptFiles: bounds the disk that a search uses to the weights of its best trials."""

from __future__ import annotations

import math
import shutil

from archloom.ensemble import has_model
from archloom.stages._lab import Lab
from archloom.train import CHECKPOINT
from archloom.trial import State, Trial


class KeptFiles:
    """Keeps the files of the best `keep` trials of a stage and removes those of all others.

    Trials of a higher budget are better than those of a lower one. While the search runs, those
    that another may go on from keep their files as well: trials of less than the full budget
    until they are promoted and, with `inherit`, all that have weights.

    A later stage that works with the trained models, such as an `Ensemble`, may need more of
    them: the number that it gives as `keeps`.
    """

    def __init__(self, lab: Lab, stage: str, keep: int, *, inherit: bool = False) -> None:
        self._lab = lab
        self._inherit = inherit
        self._keep = max([keep, *(getattr(stage, "keeps", 0) for stage in lab.stages)])
        folder = lab.folder / "trials"
        stored = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        ended = [t for t in lab.study.trials(stage) if t.state.ended]
        self._kept = [t for t in ended if lab.files(t).name in stored]
        self._waiting = [t for t in self._kept if self._may_go_on(t)]
        for trial in ended:
            self._supersede(trial)
        self._settle()

    def add(self, trial: Trial) -> None:
        """Take in a trial that ended; remove the files of the one that falls out."""
        self._supersede(trial)
        self._kept.append(trial)
        if self._may_go_on(trial):
            self._waiting.append(trial)
        self._settle()

    def close(self) -> None:
        """Remove what was kept only for the trials that might have come."""
        kept = {trial.number for trial in self._kept}
        for trial in self._waiting:
            if trial.number not in kept:
                self._remove(trial)
        self._waiting.clear()
        for trial in self._kept:
            for path in self._lab.files(trial).rglob(CHECKPOINT):
                path.unlink()

    def _settle(self) -> None:
        self._kept.sort(key=self._rank)
        needed = {trial.number for trial in self._waiting}
        for fallen in self._kept[self._keep :]:
            if fallen.number not in needed:
                self._remove(fallen)
        del self._kept[self._keep :]

    def _may_go_on(self, trial: Trial) -> bool:
        return trial.state.scored and (self._inherit or trial.effort < 1.0)

    def _supersede(self, trial: Trial) -> None:
        """Remove the files of the trial that this one went on from: it has all that they hold."""
        before = self._lab.study.promoted_from(trial)
        if before is None or trial.state is not State.DONE:
            return
        for group in (self._kept, self._waiting):
            group[:] = [t for t in group if t.number != before.number]
        self._remove(before)

    def _rank(self, trial: Trial) -> tuple[float, float, int]:
        objective = self._lab.objectives[0]
        value = trial.metrics.get(objective.metric, math.nan)
        return -trial.effort, -objective.gain(value), trial.number

    def _remove(self, trial: Trial) -> None:
        shutil.rmtree(self._lab.files(trial), ignore_errors=True)


def has_weights(lab: Lab, trial: Trial) -> bool:
    """Whether the trained weights of a trial's model, all its networks, are in the run folder."""
    return has_model(trial.architecture, lab.files(trial))
