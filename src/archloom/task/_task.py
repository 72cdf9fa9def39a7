"""Task: training, validation and guarded test data, and how outputs are judged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NoReturn, final

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import TestSplitGuarded
from archloom.task._checks import are_classes, check_settings, check_splits
from archloom.task._classes import Classes
from archloom.task._custom import Custom
from archloom.task._data import Inputs, Outputs, Split, map_tensors
from archloom.task._describe import (
    description,
    fingerprint_of,
    hints_of,
    vocabulary_of,
    watched_metric,
)
from archloom.task._folds import fold_numbers, fold_parts
from archloom.task._kinds import check_kind, completed_kinds, overall_kind
from archloom.task._target import Loss, Metric, Target

AUGMENT_OPS = (
    *("flip", "vflip", "dflip", "rot90", "shift", "crop", "scale", "rotate", "shear"),
    *("brightness", "contrast", "noise", "cutout", "mixup", "cutmix"),
    *("jitter", "time_shift", "time_mask", "channel_drop"),
    *("feature_noise", "feature_drop", "token_drop"),
)
"""What augmentation can do; docs/training.md says what to which kind of data."""


@final
class Task:
    """Data in memory, cut into training, validation and test, with loss and metrics.

    Built by the sources (`from_arrays`, `from_npz`, `digits`, ...), which prepare the arguments.
    Nothing of a task changes; `to` and `without_test` give new ones that share the tensors.

    `target` says what is predicted; `loss`, `metrics` and `main_metric` follow from it and can be
    replaced. `loss` takes (outputs, targets) and gives a scalar tensor, the mean over the samples;
    `metrics` maps names to functions of the same arguments that give a number, or None where the
    metric is not defined. Without `target`, class indices are `Classes`, and all other targets
    are judged by the loss alone.
    `normalisation` has the form of the inputs; None leaves them, or one of them, as they are.
    `kind` is one of `image`, `volume`, `series`, `table`, `text` and, for several inputs, `mixed`.
    `encoder` is what turned raw data into these inputs, and is only carried along. `groups` numbers
    the group of each pooled sample (see `pooled`), which `folds` keeps on one side.
    `notices` say what the source had to do: files left out, columns guessed.

    Raises:
        DataError: when splits are empty, of different shapes or of different lengths than their
            targets, or when class indices are out of range or of one class only.

    >>> from archloom.task import from_arrays
    >>> X, y = torch.rand(40, 8, 8), torch.arange(40) % 2
    >>> task = from_arrays(X, y, valid=0.25, name="noise")
    >>> task.shape, task.classes, len(task.train), len(task.valid)
    ((1, 8, 8), 2, 30, 10)
    """

    def __init__(
        self,
        name: str,
        train: Split,
        valid: Split,
        test: Split | None = None,
        *,
        classes: int | None = None,
        class_names: Sequence[str] = (),
        normalisation: Any = None,
        augment_ops: Sequence[str] = (),
        source: Mapping[str, Any] | None = None,
        loss: Loss | None = None,
        metrics: Mapping[str, Metric] | None = None,
        main_metric: str | None = None,
        target: Target | None = None,
        kind: Any = None,
        encoder: Any = None,
        groups: Tensor | None = None,
        notices: Sequence[str] = (),
    ) -> None:
        self.name: Final = name
        self.train: Final = train
        self.valid: Final = valid
        self.target: Final = target or _target_of(train.targets, classes, class_names, loss)
        self.classes: Final = self.target.outputs if target or classes is None else classes
        self.class_names: Final = tuple(class_names) or self.target.names
        self.normalisation: Final = normalisation
        self.augment_ops: Final = tuple(augment_ops)
        self.source: Final = None if source is None else dict(source)
        self.loss: Final[Loss] = _loss(self.target, loss)
        self.metrics: Final = dict(self.target.metrics if metrics is None else metrics)
        self.encoder: Final = encoder
        self.groups: Final = groups
        self.notices: Final = tuple(notices)
        self._main_metric = main_metric
        self._test = test
        self._kind = kind
        self._check()

    def _check(self) -> None:
        splits = {name: split for name, split in self._splits.items() if split is not None}
        check_splits(splits, self.target)
        check_kind(self._kind)
        check_settings(self, self._main_metric, AUGMENT_OPS)

    @property
    def kind(self) -> str:
        """What the samples are: image, volume, series, table, text, or mixed for several inputs."""
        return overall_kind(self.kinds)

    @property
    def kinds(self) -> Any:
        """The kind of every input, in the form of the inputs."""
        return completed_kinds(self.train.inputs, self._kind)

    @property
    def shape(self) -> Any:
        """Shape of one sample; of several inputs a tuple or dict of shapes."""
        return map_tensors(lambda tensor: tuple(tensor.shape[1:]), self.train.inputs)

    @property
    def device(self) -> torch.device:
        """Where the training and validation tensors lie."""
        return self.train.targets.device

    @property
    def hints(self) -> dict[str, Any]:
        """Settings that a model space may want: shape, channels, features, classes, outputs.

        Channels are given for inputs with a channel axis, features (values a sample) for a
        single input, kinds for several inputs, vocabulary for text. `classes` and `outputs` are
        the columns that a model must give. An encoder's own hints come on top.
        """
        return hints_of(self)

    @cached_property
    def vocabulary(self) -> Any:
        """How many token numbers text has: the largest of all splits and one.

        None where no input is text; a tree for several inputs.
        """
        splits = [split for split in self._splits.values() if split is not None]
        return vocabulary_of(self.kinds, splits)

    @property
    def _splits(self) -> dict[str, Split | None]:
        return {"train": self.train, "valid": self.valid, "test": self._test}

    @property
    def outputs(self) -> int | None:
        """How many numbers a model must give a sample, None where the loss alone knows."""
        known = self.loss == self.target.loss and self.target.kind != "custom"
        return self.target.outputs if known else None

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names that `score` gives."""
        return ("loss", *self.metrics)

    @cached_property
    def main_metric(self) -> str:
        """The metric that training watches unless told otherwise.

        The target's: accuracy of classes, AUC of labels, RMSE of numbers; the loss where that is
        not among the metrics or not defined for the validation data.
        """
        return self._main_metric or watched_metric(self)

    def score(self, outputs: Outputs, targets: Tensor) -> dict[str, float]:
        """Judge outputs: the loss and every metric that is defined for these targets."""
        values: dict[str, float | None] = {"loss": float(self.loss(outputs, targets))}
        values |= {name: metric(outputs, targets) for name, metric in self.metrics.items()}
        return {name: float(value) for name, value in values.items() if value is not None}

    def prepare(self, inputs: Inputs) -> Inputs:
        """Give a batch as the model gets it: normalised float32, on the batch's device."""
        if self.normalisation is None:
            return inputs
        prepared: Inputs = map_tensors(
            lambda x, norm: x if norm is None else norm(x), inputs, self.normalisation
        )
        return prepared

    def example(self, batch: int = 2, device: torch.device | str = "meta") -> Inputs:
        """Give zeros in the form that a model of this task is called with."""

        def zeros(tensor: Tensor, norm: Any = None) -> Tensor:
            dtype = tensor.dtype if norm is None else torch.float32
            return torch.zeros(batch, *tensor.shape[1:], dtype=dtype, device=device)

        norms = () if self.normalisation is None else (self.normalisation,)
        example: Inputs = map_tensors(zeros, self.train.inputs, *norms)
        return example

    @property
    def has_test(self) -> bool:
        """Whether there is a test split behind the door."""
        return self._test is not None

    @property
    def test_size(self) -> int:
        """How many samples the test split holds, 0 without one."""
        return 0 if self._test is None else len(self._test)

    @property
    def test(self) -> NoReturn:
        """Always raise `TestSplitGuarded`: `open_test` is the only door."""
        raise TestSplitGuarded(
            "The test split is for the final evaluation only, once a finalist: choose by "
            "task.valid, and let the test stage (which uses task.open_test) judge the winner."
        )

    def open_test(self, record: Callable[[], None]) -> Split:
        """Call `record`, which must write the access down, then give the test split.

        Raises:
            TestSplitGuarded: when there is no test split, or it was taken away.
        """
        if self._test is None:
            raise TestSplitGuarded(
                f"Task {self.name!r} has no test split here: candidates never get one. Give the "
                f"data source test data, and open it from the task of the experiment."
            )
        record()
        return self._test.to(self.device)

    def without_test(self) -> Task:
        """Give the task that candidates get: the same, with no test split to be reached."""
        return self._changed(_test=None)

    def to(self, device: torch.device | str) -> Task:
        """Give the task with its training and validation tensors on that device."""
        if self.device == torch.device(device):
            return self
        return self._changed(
            train=self.train.to(device),
            valid=self.valid.to(device),
            normalisation=self.normalisation
            and map_tensors(
                lambda _, norm: norm and norm.to(device), self.train.inputs, self.normalisation
            ),
        )

    def pooled(self) -> Split:
        """Give the training samples and after them the validation samples, as one split."""
        inputs = map_tensors(lambda *parts: torch.cat(parts), self.train.inputs, self.valid.inputs)
        return Split(inputs, torch.cat([self.train.targets, self.valid.targets]))

    def fold_index(self, k: int, seed: int = 0, groups: Any = None) -> Tensor:
        """Give the number of the fold that validates each pooled sample, -1 for none.

        Folds are stratified, and keep each group together where there are groups (the task's own
        unless given). A sample that holds the only member of its class always trains.

        Raises:
            DataError: when there are fewer samples, or groups, than folds.
        """
        targets = torch.cat([self.train.targets, self.valid.targets])
        return fold_numbers(
            targets, self.target, k, seed, self.groups if groups is None else groups
        )

    def fold(self, number: int, k: int, seed: int = 0, groups: Any = None) -> Task:
        """Give one of the `k` tasks of `folds`; each holds a copy of the data."""
        index = self.fold_index(k, seed, groups)
        parts = fold_parts(
            self.pooled(), index == number, self.groups if groups is None else groups
        )
        twin = self._changed(name=f"{self.name}-fold-{number}", source=None, _test=None, **parts)
        for fact in ("fingerprint", "main_metric"):
            twin.__dict__.pop(fact, None)
        twin._check()
        return twin

    def folds(self, k: int, seed: int = 0, groups: Any = None) -> list[Task]:
        """Give `k` tasks over the pooled samples, each validated on another part; no test.

        Normalisation and target stay those of this task, so that the outputs of models trained on
        different folds can be averaged.

        >>> from archloom.task import digits
        >>> [(len(fold.train), len(fold.valid)) for fold in digits().folds(3)]
        [(958, 480), (959, 479), (959, 479)]
        """
        self.fold_index(k, seed, groups)  # refuses a k that cannot be
        return [self.fold(number, k, seed, groups) for number in range(k)]

    def _changed(self, **changes: Any) -> Task:
        self.fingerprint, self.vocabulary  # noqa: B018  of all the data, before a part is gone
        twin = copy.copy(self)
        twin.__dict__.update(changes)
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every value, shape, dtype and label of all splits, and of what is predicted."""
        return fingerprint_of(self, self._splits)

    def describe(self) -> dict[str, Any]:
        """Give sizes, shape, kind, target and how often each class or label occurs, as JSON."""
        return description(self)

    def __repr__(self) -> str:
        sizes = f"{len(self.train)}/{len(self.valid)}/{self.test_size}"
        kind = self.target.kind if self.target.kind in ("labels", "numbers") else "classes"
        kind = "outputs" if self.target.kind == "mixed" else kind
        return f"Task({self.name!r}, {sizes}, shape={self.shape}, {kind}={self.classes})"


def _loss(target: Target, own: Loss | None) -> Loss:
    """Give the loss to use; plain cross-entropy, given by hand, is that of plain classes."""
    standard = own is functional.cross_entropy and target == Classes(target.names)
    return target.loss if own is None or standard else own


def _target_of(
    targets: Tensor, classes: int | None, names: Sequence[str], loss: Loss | None
) -> Target:
    """Give the target of a task that was made without one."""
    if are_classes(targets):
        if classes is None:
            classes = len(names) or (int(targets.max()) + 1 if len(targets) else 1)
        return Classes(tuple(names) or tuple(map(str, range(classes))))
    count = classes or len(names) or (targets.shape[1] if targets.ndim > 1 else 1)
    return Custom(tuple(names) or tuple(map(str, range(count))), loss or functional.cross_entropy)
