"""Which trials go to the final test, and which of them wins."""

from __future__ import annotations

import math

from archloom.ensemble import find_leaves
from archloom.stages._ensemble import DISTILL, Ensemble
from archloom.stages._kept import has_weights
from archloom.stages._lab import Lab
from archloom.stages._retrain import Retrain
from archloom.trial import State, Trial


def finalists(lab: Lab) -> list[Trial]:
    """What an `Ensemble` chose, the retrained trials, and the search's best where it beats those.

    The first one is the winner; the others are ordered by the first objective on validation
    data, best first. Where an ensemble was distilled the winner is a single network, the
    distilled one unless another of the run is better, and the ensemble comes second.
    """
    best = _by_validation(lab)
    stage = next((s for s in lab.stages[::-1] if isinstance(s, Ensemble)), None)
    combined = [] if stage is None else _combined(lab, stage)
    if stage is None or not stage.distill:
        return combined + best
    distilled = _distilled(lab, [*combined, *best])
    if not distilled:
        return combined + best
    singles = [trial for trial in best if _networks(lab, trial) == 1]
    winner = min([*distilled, *singles], key=lambda trial: _rank(lab, trial))
    return [winner, *combined, *(trial for trial in best if trial is not winner)]


def _by_validation(lab: Lab) -> list[Trial]:
    """Give the retrained trials, and before them the search's best if it beats them all."""
    retrain_names = {s.name for s in lab.stages if isinstance(s, Retrain)}
    others = {DISTILL, *(s.name for s in lab.stages if isinstance(s, Ensemble))}
    scored = [t for t in lab.study.trials() if t.state.scored and t.stage not in others]
    retrained = [t for t in scored if t.stage in retrain_names]
    searched = [t for t in scored if t.stage not in retrain_names and has_weights(lab, t)]
    best = sorted(retrained, key=lambda trial: _rank(lab, trial))
    champion = min(searched, key=lambda trial: _rank(lab, trial), default=None)
    if champion is not None and (not best or _rank(lab, champion)[0] < _rank(lab, best[0])[0]):
        best.insert(0, champion)
    return best


def _combined(lab: Lab, stage: Ensemble) -> list[Trial]:
    """Give the trial of the last choice, if it was used and all its weights are there."""
    note = lab.study.note("ensemble")
    trials = lab.study.trials(stage.name)
    if note is None or not note["used"] or len(trials) <= note["number"]:
        return []
    trial = trials[note["number"]]
    return [trial] if trial.state is State.DONE and has_weights(lab, trial) else []


def _distilled(lab: Lab, teachers: list[Trial]) -> list[Trial]:
    """Give the network that learned from the first of these, where there is one."""
    parents = [trial.number for trial in teachers[:1]]
    trials = lab.study.trials(DISTILL, State.DONE)
    return [trial for trial in trials if trial.parent in parents and has_weights(lab, trial)][-1:]


def _networks(lab: Lab, trial: Trial) -> int:
    return len(find_leaves(trial.architecture, lab.files(trial)))


def _rank(lab: Lab, trial: Trial) -> tuple[float, int]:
    objective = lab.objectives[0]
    value = trial.metrics.get(objective.metric, math.nan)
    return (-objective.gain(value), trial.number)
