"""CrossValidate: judge an architecture on every sample, by models that did not train on it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from archloom.ensemble import (
    Part,
    from_means,
    parts_of,
    save_outputs,
    saved_outputs,
    to_means,
    write_members,
)
from archloom.errors import ConfigError
from archloom.estimators._base import Candidate, inside
from archloom.estimators._check import check_estimator
from archloom.estimators._once import run_once
from archloom.estimators._train import WEIGHTS, Train
from archloom.space import Space
from archloom.task import Task, mix
from archloom.train import predict


@dataclass(frozen=True)
class CrossValidate:
    """Train a model on each of `folds` parts of the data and judge all of them together.

    Training and validation samples are pooled and cut into `folds` parts (`task.folds`); each
    part is predicted by the model that was trained on the others, and the metrics are those of
    these out-of-fold predictions of all samples. With `repeats` above 1 this is done again with
    other cuts, and the predictions of each sample are averaged. For small data: nothing is given
    up to a validation split, and the score rests on every sample.

    The trial's model is the mean of all these models, as in AutoGluon's bagging (Erickson et al.
    2020, arXiv 2003.06505). Besides the target's metrics it gives `epochs` (the mean), `params`
    (of one model), `folds` (the models trained) and `METRIC_se`, the standard error of the main
    metric over the folds. Each fold is a step that is reported, with the mean over the folds so
    far; after an interruption those that are missing are trained. `seconds` of `train` are
    the time of all folds together.

    Raises (when called):
        ConfigError: for a task with a loss of its own, whose outputs cannot be averaged.
        DataError: for fewer samples, or groups of them, than folds.

    >>> CrossValidate(Train(epochs=3), folds=10).train.epochs
    3
    """

    train: Train = field(default_factory=Train)
    folds: int = 5
    repeats: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.train, Train):
            raise ConfigError(f"CrossValidate trains with a `Train`, got {self.train!r}.")
        for name, least in (("folds", 2), ("repeats", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(
                    f"{name} of CrossValidate must be a whole number from {least}, got {value!r}."
                )

    def check(self, space: Space) -> None:
        """Raise `ConfigError` if the training does not fit the space."""
        check_estimator(self.train, space)

    def budgets(self) -> tuple[float, ...]:
        """Give the budgets of the training of each fold."""
        return self.train.budgets()

    @property
    def continues(self) -> bool:
        """Whether the folds of a promoted trial go on from those of its parent."""
        return self.train.continues

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Train what is missing and give the metrics of the out-of-fold predictions."""
        task = candidate.task
        if task.outputs is None:
            raise ConfigError(
                "CrossValidate averages the outputs of its models, and for a loss of one's own "
                "it is not known how: give the task a target, or use Train."
            )
        parts = parts_of(task.target)
        train = self.of_one()
        scored: list[dict[str, float]] = []
        kept = _OutOfFold(task, parts)
        for repeat in range(self.repeats):
            index = task.fold_index(self.folds, seed=repeat)
            for fold, part in enumerate(task.folds(self.folds, seed=repeat)):
                number = repeat * self.folds + fold
                own = _of_fold(candidate, part, number)
                scored.append(run_once(train, own, own.files / "result.json"))
                kept.add((index == fold).nonzero().flatten(), _outputs(own))
                candidate.report(number + 1, _means(scored))
        members = [
            {"weights": f"{fold_folder(number)}/{WEIGHTS}", "share": 1 / len(scored)}
            for number in range(len(scored))
        ]
        write_members(
            candidate.files,
            members,
            parts,
            task.train.inputs,
            folds=self.folds,
            repeats=self.repeats,
        )
        outputs, rows = kept.outputs()
        save_outputs(candidate.files, outputs, rows)
        return self._summary(task, scored, outputs, rows)

    def of_one(self) -> Train:
        """Give the training of one fold, which has an equal share of the time."""
        if self.train.seconds is None:
            return self.train
        return replace(self.train, seconds=self.train.seconds / (self.folds * self.repeats))

    def _summary(
        self, task: Task, scored: list[dict[str, float]], outputs: Tensor, rows: Tensor
    ) -> dict[str, float]:
        targets = torch.cat([task.train.targets, task.valid.targets])
        main = task.main_metric
        values = [result[main] for result in scored if main in result]
        error = statistics.stdev(values) / math.sqrt(self.folds) if len(values) > 1 else 0.0
        return {
            **task.score(outputs.to(targets.device), targets[rows.to(targets.device)]),
            "epochs": statistics.fmean(result["epochs"] for result in scored),
            "params": scored[0]["params"],
            "folds": float(len(scored)),
            f"{main}_se": error,
        }


def fold_folder(number: int) -> str:
    """Give the name of a fold's folder inside the trial's."""
    return f"fold-{number}"


def _of_fold(candidate: Candidate, task: Task, number: int) -> Candidate:
    return replace(
        candidate,
        task=task,
        seed=candidate.seed if number == 0 else mix(candidate.seed, number),
        files=candidate.files / fold_folder(number),
        parent=inside(candidate.parent, fold_folder(number)),
        report=_silent,
    )


def _outputs(fold: Candidate) -> Tensor:
    """Give what a fold's model predicts for its part: as saved, else made again."""
    saved = saved_outputs(fold.files)
    if saved is not None and len(saved.outputs) == len(fold.task.valid):
        return saved.outputs
    model = fold.space.build(fold.architecture)
    weights: Path = fold.files / WEIGHTS
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model = model.to(fold.device)
    outputs: Tensor = predict(model, fold.task.valid.inputs, fold.task, device=fold.device)
    save_outputs(fold.files, outputs)
    return outputs.cpu()


class _OutOfFold:
    """The mean prediction of each pooled sample by the models that did not train on it."""

    def __init__(self, task: Task, parts: tuple[Part, ...]) -> None:
        pooled = len(task.train) + len(task.valid)
        columns = sum(part.columns for part in parts)
        self._parts = parts
        self._sums = torch.zeros(pooled, columns, dtype=torch.float64)
        self._first = torch.zeros(pooled, columns)
        self._times = torch.zeros(pooled)

    def add(self, rows: Tensor, outputs: Tensor) -> None:
        rows = rows.cpu()
        self._sums[rows] += to_means(outputs, self._parts)
        self._first[rows] = outputs
        self._times[rows] += 1

    def outputs(self) -> tuple[Tensor, Tensor]:
        """Give the outputs, and the places of the samples that were predicted at all."""
        rows = self._times.nonzero().flatten()
        if bool((self._times[rows] == 1).all()):
            return self._first[rows], rows
        means = self._sums[rows] / self._times[rows, None]
        return from_means(means, self._parts), rows


def _means(scored: list[dict[str, float]]) -> dict[str, float]:
    names = [name for name in scored[0] if all(name in result for result in scored)]
    return {name: statistics.fmean(result[name] for result in scored) for name in names}


def _silent(step: int, metrics: Mapping[str, float]) -> None:
    """Leave a fold's epochs out: the trial's steps are its folds."""
