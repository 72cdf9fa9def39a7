"""Retrain: train the best architectures of the search again, longer and from scratch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import (
    Combined,
    Cost,
    CrossValidate,
    Distill,
    Estimator,
    Extrapolated,
    Inherited,
    Repeat,
    Train,
    combine,
    describe,
)
from archloom.stages._black_box import BlackBox
from archloom.stages._lab import Lab
from archloom.stages._monitored import warn_of_collapse
from archloom.stages._needs import inherits
from archloom.stages._one_shot import OneShot
from archloom.trial import Proposal, State, Trial

_LONGER = 4
_LEAST_SECONDS = 1.0  # before a deadline, below which no further training begins


@dataclass(frozen=True)
class Retrain:
    """Train the `top` best architectures of the last search for `epochs`, from new weights.

    The last search is a `BlackBox`, or a `OneShot` whose method derives architectures: then those
    that it selects are trained.
    Without `estimator` the search's own `Train` is used, on all the training data; without
    `epochs` it runs four times as long as in the search. What the search combined with its
    `Train` (a `Cost`, say) is measured again; repeats over seeds are not made again. A search that
    cross-validates is retrained like that, too, and a `CrossValidate` as `estimator` does so after
    any search. All weights stay in the run folder.
    """

    top: int = 1
    epochs: int | None = None
    estimator: Train | CrossValidate | None = None
    name: str = "retrain"

    def check(self, lab: Lab) -> None:
        """Raise if there is nothing to retrain from or with."""
        if self.top < 1:
            raise ConfigError(f"At least one architecture is retrained, got top={self.top}.")
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"Training takes at least one epoch, got epochs={self.epochs}.")
        train = self._train(lab)
        train.check(lab.space.space)
        self._require_derived(lab)
        known = {*lab.task.metric_names, "params", "flops", "memory", "latency_ms"}
        if _inner_train(_judging(self, lab)) is None:
            for objective in lab.objectives:
                if objective.metric not in known and not Cost.measures(objective.metric):
                    raise ConfigError(
                        f"Retraining gives the metrics of training, and the objective "
                        f"{objective.metric!r} is none of them: "
                        f"{did_you_mean(objective.metric, known)}. Leave the stage "
                        f"{self.name!r} out, or let the search's estimator combine a Train."
                    )

    def _require_derived(self, lab: Lab) -> None:
        searched = _search_before(self, lab)
        if isinstance(searched, OneShot) and not searched.derives(lab):
            raise ConfigError(
                f"The stage {self.name!r} retrains what a search found, and the method of "
                f"{searched.name!r} samples paths and derives no architecture: put a search over "
                f"inherited scores between them, BlackBox(Evolution(), Inherited("
                f"{searched.name!r}))."
            )

    def describe(self) -> Mapping[str, Any]:
        """Give the settings as JSON-able data."""
        estimator = None if self.estimator is None else describe(self.estimator)
        return {
            "name": self.name,
            "kind": "Retrain",
            "top": self.top,
            "epochs": self.epochs,
            "estimator": estimator,
        }

    def run(self, lab: Lab) -> None:
        """Retrain what is not retrained yet."""
        train, estimator = self._train(lab), self.retraining(lab)
        searched = _search_before(self, lab)
        if not _found(searched, lab):
            lab.end(self.name, "the search found nothing to retrain")
            return
        waiting = lab.study.trials(self.name, State.RUNNING)
        tried = {trial.parent for trial in lab.study.trials(self.name)}
        best = _best(searched, lab, self.top)
        if isinstance(searched, OneShot) or inherits(searched.estimator):
            warn_of_collapse(lab, self.name, best)
        proposals = [
            Proposal(parent.architecture, train.epochs, parent.number)
            for parent in best
            if parent.number not in tried
        ]
        while waiting or proposals:
            left = len(waiting) + len(proposals)
            seconds = lab.until_deadline() / math.ceil(left / lab.workers)
            if seconds < _LEAST_SECONDS and lab.study.count(self.name, State.DONE):
                break
            free = max(0, lab.workers - len(waiting))
            waiting += [lab.start(self.name, proposal) for proposal in proposals[:free]]
            del proposals[:free]
            begin, at_once = partial(next, iter(waiting), None), len(waiting)
            for _ in lab.evaluate_many(begin, _within(estimator, seconds), at_once=at_once):
                pass  # all is on record
            waiting = []
        lab.end(self.name, f"{lab.study.count(self.name)} of the best are retrained")

    def retraining(self, lab: Lab) -> Estimator:
        """Give the estimator that the best architectures are trained with."""
        train, searched = self._train(lab), _judging(self, lab)
        if isinstance(self.estimator, CrossValidate):
            return _with_train(searched, replace(self.estimator, train=train))
        return _with_train(searched, train)

    def _train(self, lab: Lab) -> Train:
        if self.estimator is not None:
            train, longer = _inner_train(self.estimator) or Train(), 1
        else:
            searched = _judging(self, lab)
            train = replace(_inner_train(searched) or Train(), fraction=1.0)
            longer = _LONGER
        return replace(train, epochs=self.epochs or longer * train.epochs)


def _inner_train(estimator: Estimator) -> Train | None:
    """Find the `Train` inside an estimator that repeats or combines others."""
    match estimator:
        case Train():
            return estimator
        case CrossValidate() | Extrapolated():
            return estimator.train
        case Repeat():
            return _inner_train(estimator.estimator)
        case Combined():
            found = [train for part in estimator.estimators if (train := _inner_train(part))]
            return found[0] if found else None
    return None


def _with_train(estimator: Estimator, train: Train | CrossValidate | Distill) -> Estimator:
    """Give the search's estimator with another `Train`, so that all objectives are measured."""
    match estimator:
        case CrossValidate() if isinstance(train, Train):
            return replace(estimator, train=train)
        case Repeat():
            return _with_train(estimator.estimator, train)
        case Combined() if any(map(_trains, estimator.estimators)):
            parts = [_with_train(p, train) if _trains(p) else p for p in estimator.estimators]
            return combine(*parts)
    return train


def _trains(estimator: Estimator) -> bool:
    """Whether a training takes the place of the estimator: of one, or of inherited scores."""
    return isinstance(estimator, Inherited) or _inner_train(estimator) is not None


def distilling(lab: Lab, trial: Trial, teacher: str) -> Estimator:
    """Give the estimator of a trial with a teacher, and the time that one network had.

    What was combined with the training, a `Cost` say, is measured again.
    """
    estimator: Estimator = Train()
    for stage in lab.stages:
        if stage.name == trial.stage and isinstance(stage, BlackBox):
            estimator = stage.estimator
        if stage.name == trial.stage and isinstance(stage, Retrain):
            estimator = stage.retraining(lab)
    return _with_train(estimator, Distill(_of_one(estimator), teacher))


def _of_one(estimator: Estimator) -> Train:
    match estimator:
        case CrossValidate():
            return estimator.of_one()
        case Repeat():
            return _of_one(estimator.estimator)
        case Combined():
            return _of_one(next((p for p in estimator.estimators if _inner_train(p)), Train()))
        case Extrapolated():
            return estimator.train
    return estimator if isinstance(estimator, Train) else Train()


def _search_before(stage: Retrain, lab: Lab) -> BlackBox | OneShot:
    before = lab.stages[: lab.stages.index(stage)]
    searches = [s for s in before if isinstance(s, BlackBox | OneShot)]
    if not searches:
        raise ConfigError(
            f"The stage {stage.name!r} retrains what a search found, and no search stands before "
            f"it: put a BlackBox or OneShot stage first."
        )
    return searches[-1]


def _judging(stage: Retrain, lab: Lab) -> Estimator:
    """Give what the search before the stage judges with."""
    searched = _search_before(stage, lab)
    return searched.estimator(lab) if isinstance(searched, OneShot) else searched.estimator


def _found(searched: BlackBox | OneShot, lab: Lab) -> bool:
    if isinstance(searched, OneShot):
        return bool(searched.picked(lab, 1))
    return any(trial.state.scored for trial in lab.study.trials(searched.name))


def _best(searched: BlackBox | OneShot, lab: Lab, top: int) -> list[Trial]:
    if isinstance(searched, OneShot):
        return searched.picked(lab, top)
    return lab.study.top(top, lab.objectives[0], searched.name)


def _within(estimator: Estimator, seconds: float) -> Estimator:
    """Give the estimator with the time until the deadline as its budget, if it has one."""
    train = _inner_train(estimator)
    if train is None or train.seconds is None or not math.isfinite(seconds):
        return estimator
    return _with_train(estimator, replace(train, seconds=max(seconds, _LEAST_SECONDS)))
