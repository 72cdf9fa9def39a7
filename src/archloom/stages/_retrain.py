"""Retrain: train the best architectures of the search again, longer and from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from archloom.errors import ConfigError, did_you_mean
from archloom.estimators import Combined, Estimator, Repeat, Train, combine, describe
from archloom.stages._black_box import BlackBox
from archloom.stages._lab import Lab
from archloom.trial import Proposal, State

_LONGER = 4


@dataclass(frozen=True)
class Retrain:
    """Train the `top` best architectures of the last search for `epochs`, from new weights.

    Without `estimator` the search's own `Train` is used, on all the training data; without
    `epochs` it runs four times as long as in the search. What the search combined with its
    `Train` (a `Cost`, say) is measured again; repeats over seeds are not made again. All weights
    stay in the run folder.
    """

    top: int = 1
    epochs: int | None = None
    estimator: Train | None = None
    name: str = "retrain"

    def check(self, lab: Lab) -> None:
        """Raise if there is nothing to retrain from or with."""
        if self.top < 1:
            raise ConfigError(f"At least one architecture is retrained, got top={self.top}.")
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"Training takes at least one epoch, got epochs={self.epochs}.")
        train = self._train(lab)
        train.check(lab.space.space)
        known = {*lab.task.metric_names, "params", "flops", "latency_ms"}
        if _inner_train(_search_before(self, lab).estimator) is None:
            for objective in lab.objectives:
                if objective.metric not in known:
                    raise ConfigError(
                        f"Retraining gives the metrics of training, and the objective "
                        f"{objective.metric!r} is none of them: "
                        f"{did_you_mean(objective.metric, known)}. Leave the stage "
                        f"{self.name!r} out, or let the search's estimator combine a Train."
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
        train = self._train(lab)
        searched = _search_before(self, lab)
        estimator = _with_train(searched.estimator, train)
        for trial in lab.study.trials(self.name, State.RUNNING):
            lab.evaluate(trial, estimator)
        tried = {trial.parent for trial in lab.study.trials(self.name)}
        if not any(t.state.scored for t in lab.study.trials(searched.name)):
            lab.end(self.name, "the search found nothing to retrain")
            return
        for parent in lab.study.top(self.top, lab.objectives[0], searched.name):
            if parent.number not in tried:
                proposal = Proposal(parent.architecture, train.epochs, parent.number)
                lab.evaluate(lab.start(self.name, proposal), estimator)
        lab.end(self.name, f"{lab.study.count(self.name)} of the best are retrained")

    def _train(self, lab: Lab) -> Train:
        if self.estimator is not None:
            train, longer = self.estimator, 1
        else:
            searched = _search_before(self, lab).estimator
            train = replace(_inner_train(searched) or Train(), fraction=1.0)
            longer = _LONGER
        return replace(train, epochs=self.epochs or longer * train.epochs)


def _inner_train(estimator: Estimator) -> Train | None:
    """Find the `Train` inside an estimator that repeats or combines others."""
    match estimator:
        case Train():
            return estimator
        case Repeat():
            return _inner_train(estimator.estimator)
        case Combined():
            found = [train for part in estimator.estimators if (train := _inner_train(part))]
            return found[0] if found else None
    return None


def _with_train(estimator: Estimator, train: Train) -> Estimator:
    """Give the search's estimator with another `Train`, so that all objectives are measured."""
    match estimator:
        case Repeat():
            return _with_train(estimator.estimator, train)
        case Combined() if _inner_train(estimator):
            parts = [_with_train(p, train) if _inner_train(p) else p for p in estimator.estimators]
            return combine(*parts)
    return train


def _search_before(stage: Retrain, lab: Lab) -> BlackBox:
    before = lab.stages[: lab.stages.index(stage)]
    searches = [s for s in before if isinstance(s, BlackBox)]
    if not searches:
        raise ConfigError(
            f"The stage {stage.name!r} retrains what a search found, and no search stands before "
            f"it: put a BlackBox stage first."
        )
    return searches[-1]
