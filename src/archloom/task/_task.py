"""Task: training, validation and guarded test data, and how outputs are judged."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NoReturn, TypeAlias, final

import torch
from torch import Tensor
from torch.nn import functional

from archloom.errors import ConfigError, TestSplitGuarded, did_you_mean
from archloom.task._checks import are_classes, check_splits
from archloom.task._data import Inputs, Outputs, Split, leaves, map_tensors
from archloom.task._metrics import accuracy, auc, balanced_accuracy

Loss: TypeAlias = Callable[[Any, Tensor], Tensor]
Metric: TypeAlias = Callable[[Any, Tensor], "float | None"]

AUGMENT_OPS = ("flip", "shift")
"""What augmentation can do: mirror left and right, move by up to a seventh of the size."""

CLASSIFICATION: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auc": auc,
}


@final
class Task:
    """Data in memory, cut into training, validation and test, with loss and metrics.

    Built by the sources (`from_arrays`, `from_npz`, `digits`, ...), which prepare the arguments.
    Nothing of a task changes; `to` and `without_test` give new ones that share the tensors.

    `loss` takes (outputs, targets) and gives a scalar tensor, the mean over the samples;
    `metrics` maps names to functions of the same arguments that give a number, or None where the
    metric is not defined. Without `metrics`, class indices are judged by accuracy, balanced
    accuracy and AUC, other targets by the loss alone.
    `normalisation` has the form of the inputs; None leaves them as they are.

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
        classes: int,
        class_names: Sequence[str] = (),
        normalisation: Any = None,
        augment_ops: Sequence[str] = (),
        source: Mapping[str, Any] | None = None,
        loss: Loss = functional.cross_entropy,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.name: Final = name
        self.train: Final = train
        self.valid: Final = valid
        self.classes: Final = classes
        self.class_names: Final = tuple(class_names) or tuple(map(str, range(classes)))
        self.normalisation: Final = normalisation
        self.augment_ops: Final = tuple(augment_ops)
        self.source: Final = None if source is None else dict(source)
        self.loss: Final = loss
        if metrics is None:
            metrics = CLASSIFICATION if are_classes(train.targets) else {}
        self.metrics: Final = dict(metrics)
        self._test = test
        self._check()

    def _check(self) -> None:
        splits = {"train": self.train, "valid": self.valid}
        if self._test is not None:
            splits["test"] = self._test
        check_splits(splits, self.classes, self.class_names)
        for op in self.augment_ops:
            if op not in AUGMENT_OPS:
                raise ConfigError(
                    f"There is no augmentation {op!r}: {did_you_mean(op, AUGMENT_OPS)}."
                )

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
        """Settings that a model space may want: shape, channels, features and classes.

        Channels are given for inputs with a channel axis, features (values a sample) for a
        single input.
        """
        hints: dict[str, Any] = {"classes": self.classes}
        shape = self.shape
        if not isinstance(self.train.inputs, Tensor):
            return hints | {"shape": map_tensors(lambda t: list(t.shape[1:]), self.train.inputs)}
        if len(shape) > 1:
            hints["channels"] = shape[0]
        return hints | {"shape": list(shape), "features": math.prod(shape)}

    @property
    def outputs(self) -> int | None:
        """How many numbers a model must give a sample, None where the loss alone knows."""
        plain = self.loss is functional.cross_entropy and are_classes(self.train.targets)
        return self.classes if plain else None

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names that `score` gives."""
        return ("loss", *self.metrics)

    @property
    def main_metric(self) -> str:
        """The metric that training watches unless told otherwise: accuracy, else the loss."""
        return "accuracy" if "accuracy" in self.metrics else "loss"

    def score(self, outputs: Outputs, targets: Tensor) -> dict[str, float]:
        """Judge outputs: the loss and every metric that is defined for these targets."""
        values: dict[str, float | None] = {"loss": float(self.loss(outputs, targets))}
        values |= {name: metric(outputs, targets) for name, metric in self.metrics.items()}
        return {name: float(value) for name, value in values.items() if value is not None}

    def prepare(self, inputs: Inputs) -> Inputs:
        """Give a batch as the model gets it: normalised float32, on the batch's device."""
        if self.normalisation is None:
            return inputs
        prepared: Inputs = map_tensors(lambda x, norm: norm(x), inputs, self.normalisation)
        return prepared

    def example(self, batch: int = 2, device: torch.device | str = "meta") -> Inputs:
        """Give zeros in the form that a model of this task is called with."""

        def zeros(tensor: Tensor) -> Tensor:
            dtype = tensor.dtype if self.normalisation is None else torch.float32
            return torch.zeros(batch, *tensor.shape[1:], dtype=dtype, device=device)

        example: Inputs = map_tensors(zeros, self.train.inputs)
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
            and map_tensors(lambda _, norm: norm.to(device), self.train.inputs, self.normalisation),
        )

    def _changed(self, **changes: Any) -> Task:
        self.fingerprint  # noqa: B018  computed of all the data, before a part is taken away
        twin = copy.copy(self)
        twin.__dict__.update(changes)
        return twin

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every value, shape, dtype and label of all splits, and of the class names."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for name, split in (("train", self.train), ("valid", self.valid), ("test", self._test)):
            digest.update(name.encode())
            if split is not None:
                for member, tensor in [*leaves(split.inputs), ("targets", split.targets)]:
                    digest.update(f"{member} {tensor.dtype} {tuple(tensor.shape)}".encode())
                    for chunk in torch.split(tensor, 4096):
                        plain = chunk.detach().cpu().contiguous().reshape(-1)
                        digest.update(plain.view(torch.uint8).numpy().data)
        return digest.hexdigest()[:32]

    def describe(self) -> dict[str, Any]:
        """Give sizes, shape, classes and how often each occurs, as JSON can hold it."""
        counts = {"train": self._class_counts(self.train), "valid": self._class_counts(self.valid)}
        return {
            "name": self.name,
            "train": len(self.train),
            "valid": len(self.valid),
            "test": self.test_size,
            "shape": self.hints["shape"],
            "dtype": map_tensors(lambda t: str(t.dtype).removeprefix("torch."), self.train.inputs),
            "classes": self.classes,
            "class_names": list(self.class_names),
            "class_counts": counts if are_classes(self.train.targets) else {},
            "augment_ops": list(self.augment_ops),
            "fingerprint": self.fingerprint,
        }

    def _class_counts(self, split: Split) -> list[int]:
        if not are_classes(split.targets):
            return []
        return torch.bincount(split.targets, minlength=self.classes).tolist()

    def __repr__(self) -> str:
        sizes = f"{len(self.train)}/{len(self.valid)}/{self.test_size}"
        return f"Task({self.name!r}, {sizes}, shape={self.shape}, classes={self.classes})"
