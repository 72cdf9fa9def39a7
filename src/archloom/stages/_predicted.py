"""What trials predicted for validation data, also when it is seen in other ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from archloom.ensemble import (
    Judge,
    Library,
    Part,
    Saved,
    combined_model,
    find_leaves,
    from_means,
    load_leaf,
    parts_of,
    read_members,
    saved_outputs,
    to_means,
)
from archloom.stages._lab import Lab
from archloom.train import predict
from archloom.trial import Trial

_MOST = 1000  # samples on which views are tried


class _Model(NamedTuple):
    """A network and the pooled samples that it may be judged on."""

    model: nn.Module
    rows: Tensor


class Predicted:
    """The predictions of some trials for the samples that none of their models trained on.

    Where all trials were cross-validated, those are all pooled samples, else the validation
    samples. `rows` are their places among the pooled samples.
    """

    def __init__(self, lab: Lab, trials: Sequence[Trial]) -> None:
        self._lab = lab
        self._trials = {trial.number: trial for trial in trials}
        self.parts: tuple[Part, ...] = parts_of(lab.task.target)
        self._first = len(lab.task.train)
        self._saved = {trial.number: self._outputs(trial) for trial in trials}
        self.rows = self._common()

    @property
    def crossed(self) -> bool:
        """Whether all trials were cross-validated."""
        return all(saved.rows is not None for saved in self._saved.values())

    @cached_property
    def targets(self) -> Tensor:
        """The targets of the samples."""
        task = self._lab.task
        return torch.cat([task.train.targets, task.valid.targets]).cpu()[self.rows]

    def library(self, places: Tensor | None = None) -> Library:
        """Give what is chosen from; `places` keeps a part of the samples only."""
        at = slice(None) if places is None else places
        groups = self._lab.task.groups
        return Library(
            list(self._trials),
            [self._aligned(saved)[at] for saved in self._saved.values()],
            self.targets[at],
            self.parts,
            Judge.of(self._lab.task, self._lab.objectives[0]),
            None if groups is None else groups.cpu()[self.rows][at],
        )

    def some(self) -> Tensor:
        """Give the places of a part of the samples, all where there are not many."""
        if len(self.rows) <= _MOST:
            return torch.arange(len(self.rows))
        rng = np.random.default_rng([self._lab.seed, 7])
        return torch.from_numpy(np.sort(rng.choice(len(self.rows), _MOST, replace=False)))

    def seen(self, number: int, views: Sequence[str], places: Tensor) -> dict[str, Tensor]:
        """Give a trial's outputs for the samples at `places`, seen in each of these ways."""
        rows = self.rows[places]
        columns = sum(part.columns for part in self.parts)
        sums = {view: torch.zeros(len(rows), columns, dtype=torch.float64) for view in views}
        times = torch.zeros(len(rows), 1)
        for model, own in self._models(self._trials[number]):
            mine = torch.isin(rows, own).nonzero().flatten()
            if len(mine):
                times[mine] += 1
                for view, total in sums.items():
                    viewed = combined_model([model], [1.0], self.parts, views=(view,))
                    total[mine] += to_means(self._predict(viewed, rows[mine]), self.parts)
        return {view: from_means(total / times, self.parts) for view, total in sums.items()}

    def _outputs(self, trial: Trial) -> Saved:
        saved = saved_outputs(self._lab.files(trial))
        if saved is not None:
            return saved
        [leaf] = find_leaves(trial.architecture, self._lab.files(trial))
        rows = torch.arange(len(self._lab.task.valid)) + self._first
        return Saved(self._predict(load_leaf(self._lab.space, leaf), rows))

    def _common(self) -> Tensor:
        valid = torch.arange(self._first, self._first + len(self._lab.task.valid))
        known = [saved.rows for saved in self._saved.values() if saved.rows is not None]
        rows = known[0] if self.crossed else valid
        for others in known:
            rows = rows[torch.isin(rows, others)]
        return rows

    def _aligned(self, saved: Saved) -> Tensor:
        if saved.rows is None:
            return saved.outputs[self.rows - self._first]
        return saved.outputs[torch.searchsorted(saved.rows, self.rows)]

    def _models(self, trial: Trial) -> Iterator[_Model]:
        """Give the trial's networks one by one, so that only one is in memory."""
        task, files = self._lab.task, self._lab.files(trial)
        leaves = find_leaves(trial.architecture, files)
        content = read_members(files)
        if content is None:
            yield _Model(load_leaf(self._lab.space, leaves[0]), self.rows)
            return
        folds = content["folds"]
        for number, leaf in enumerate(leaves):
            repeat, fold = divmod(number, folds)
            held = (task.fold_index(folds, seed=repeat).cpu() == fold).nonzero().flatten()
            yield _Model(load_leaf(self._lab.space, leaf), held)

    def _predict(self, model: nn.Module, rows: Tensor) -> Tensor:
        """Predict pooled samples by their places, which keep their order."""
        lab, first = self._lab, self._first
        before, after = rows[rows < first], rows[rows >= first] - first
        parts = [(lab.task.train, before), (lab.task.valid, after)]
        model = model.to(lab.device)
        outputs = [
            predict(model, split.take(places).inputs, lab.task, device=lab.device).cpu()
            for split, places in parts
            if len(places)
        ]
        return torch.cat(outputs)
