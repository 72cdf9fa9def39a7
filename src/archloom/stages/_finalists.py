"""Which trials go to the final test, and which of them wins."""

from __future__ import annotations

from archloom.stages._lab import Lab
from archloom.stages._retrain import Retrain
from archloom.trial import Trial


def finalists(lab: Lab) -> list[Trial]:
    """The retrained trials, and the best of the search where none of them beats it.

    Ordered by the first objective on validation data, best first: the first one is the winner.
    """
    objective = lab.objectives[0]
    retrain_names = {s.name for s in lab.stages if isinstance(s, Retrain)}
    scored = [t for t in lab.study.trials() if t.state.scored]
    retrained = [t for t in scored if t.stage in retrain_names]
    searched = [t for t in scored if t.stage not in retrain_names and has_weights(lab, t)]

    def rank(trial: Trial) -> tuple[float, int]:
        return (-objective.gain(trial.metrics[objective.metric]), trial.number)

    best = sorted(retrained, key=rank)
    champion = min(searched, key=rank, default=None)
    if champion is not None and (not best or rank(champion)[0] < rank(best[0])[0]):
        best.insert(0, champion)
    return best


def has_weights(lab: Lab, trial: Trial) -> bool:
    """Whether the trained weights of a trial are in the run folder."""
    return (lab.files(trial) / "weights.pt").is_file()
