"""What a user should know of data and run: what was filled, and what there was no time for."""

from __future__ import annotations

from archloom.automl._build import Prepared
from archloom.experiment import Experiment
from archloom.stages import BlackBox, Ensemble, Retrain
from archloom.study import Study
from archloom.task import inspect_data
from archloom.trial import State, Trial

_FEW = 5


def found_in_data(prepared: Prepared) -> list[str]:
    """Say what the encoder filled or dropped, and what the checks of the data found."""
    notices = [*prepared.task.notices, *prepared.answers.notices]
    found = [finding for finding in inspect_data(prepared.task) if finding.message not in notices]
    notices += [str(finding) for finding in found]
    if prepared.answers.exclusive:
        notices.append(
            "Each row of y has exactly one label: if the labels exclude each other, give classes "
            "instead, y.argmax(1)."
        )
    return notices


def not_done(
    experiment: Experiment, study: Study, interrupted: bool, *, timed: bool = True
) -> list[str]:
    """Say what the time, where it was limited, did not suffice for, and what failed."""
    notices = ["Ctrl-C ended the search early."] if interrupted else []
    for stage in experiment.stages:
        if isinstance(stage, BlackBox):
            notices += _about_search(stage, study, timed and not interrupted)
        elif isinstance(stage, Retrain) and timed and not interrupted:
            notices += _about_retraining(stage, study)
        elif isinstance(stage, Ensemble) and stage.distill and not interrupted:
            notices += _about_distilling(stage, study)
    return notices


def _about_search(stage: BlackBox, study: Study, timed: bool) -> list[str]:
    tried = study.count(stage.name, State.DONE) + study.count(stage.name, State.STOPPED)
    failed = study.trials(stage.name, State.FAILED)
    notices = []
    if tried < min(stage.trials, _FEW) and timed:
        notices.append(
            f"Only {tried} architecture{'s were' if tried != 1 else ' was'} tried before the time "
            f"was up: more minutes would search more."
        )
    if failed:
        last = (failed[-1].error or "").strip().splitlines()[-1:]
        notices.append(f"{len(failed)} trials failed; the last: {''.join(last)}")
    return notices


def _about_retraining(stage: Retrain, study: Study) -> list[str]:
    done = [t for t in study.trials(stage.name) if t.state.scored]
    if not done:
        return ["There was no time to train the best architecture again, longer."]
    short = [t for t in done if t.epochs and t.metrics.get("epochs", t.epochs) < t.epochs]
    if not short:
        return []
    trial = short[0]
    return [
        f"The last training ended with its time after {trial.metrics['epochs']:.0f} of "
        f"{trial.epochs} epochs."
    ]


def _about_distilling(stage: Ensemble, study: Study) -> list[str]:
    """Say what one network in place of several costs by the objective, or that there is none."""
    best, note = study.note("best"), study.note("ensemble")
    if best is None or note is None:
        return []
    combined = study.trials(stage.name)
    teacher = combined[note["number"]] if note["used"] else study[note["members"][0]]
    kept, objective = study[best["trial"]], study.objectives[0]
    if kept.number == teacher.number:
        return _not_distilled(study, teacher)
    mine, theirs = (trial.metrics.get(objective.metric) for trial in (kept, teacher))
    if mine is None or theirs is None or objective.gain(mine) >= objective.gain(theirs):
        return []
    which = "distilled network" if kept.parent == teacher.number else "best single network"
    crossed = " by out-of-fold predictions" if "folds" in teacher.metrics else ""
    return [
        f"One network was asked for, and it is worse than the several that it replaces: the "
        f"{which} (trial {kept.number}) has {objective.metric} {mine:.4g} on validation data, the "
        f"ensemble (trial {teacher.number}) {theirs:.4g}{crossed}. distill=False keeps the "
        f"ensemble."
    ]


def _not_distilled(study: Study, teacher: Trial) -> list[str]:
    """Say why several networks were kept where one was asked for."""
    pupils = [trial for trial in study.trials() if trial.parent == teacher.number]
    lost = [trial for trial in pupils if trial.state is State.FAILED]
    if not lost:
        return []
    why = "".join((lost[-1].error or "").strip().splitlines()[-1:])
    return [
        f"The ensemble (trial {teacher.number}) is kept, although one network was asked for: its "
        f"distillation failed. {why}"
    ]
