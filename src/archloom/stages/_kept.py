"""KeptFiles: bounds the disk that a search uses to the weights of its best trials."""

from __future__ import annotations

import math
import shutil

from archloom.ensemble import has_model
from archloom.stages._lab import Lab
from archloom.trial import Trial


class KeptFiles:
    """Keeps the files of the best `keep` trials of a stage and removes those of all others.

    A later stage that works with the trained models, such as an `Ensemble`, may need more of
    them: the number that it gives as `keeps`.
    """

    def __init__(self, lab: Lab, stage: str, keep: int) -> None:
        self._lab = lab
        self._keep = max([keep, *(getattr(stage, "keeps", 0) for stage in lab.stages)])
        folder = lab.folder / "trials"
        stored = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        ended = [t for t in lab.study.trials(stage) if t.state.ended]
        self._kept = [t for t in ended if lab.files(t).name in stored]

    def add(self, trial: Trial) -> None:
        """Take in a trial that ended; remove the files of the one that falls out."""
        objective = self._lab.objectives[0]
        self._kept.append(trial)
        self._kept.sort(
            key=lambda t: (-objective.gain(t.metrics.get(objective.metric, math.nan)), t.number)
        )
        for fallen in self._kept[self._keep :]:
            shutil.rmtree(self._lab.files(fallen), ignore_errors=True)
        del self._kept[self._keep :]


def has_weights(lab: Lab, trial: Trial) -> bool:
    """Whether the trained weights of a trial's model, all its networks, are in the run folder."""
    return has_model(trial.architecture, lab.files(trial))
