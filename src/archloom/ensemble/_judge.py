"""Judge: whether one set of predictions is better than another by more than noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from archloom.objective import Objective

Measure = Callable[[Any, Tensor], "float | Tensor | None"]

_DRAWS, _FEWER_DRAWS, _MANY = 200, 50, 2000


@dataclass(frozen=True)
class Difference:
    """How much larger a number is with other predictions, and the standard error of that."""

    gain: float
    error: float

    @property
    def clear(self) -> int:
        """1 for a gain and -1 for a loss of more than one standard error, else 0."""
        if not abs(self.gain) > max(self.error, 1e-12):
            return 0
        return 1 if self.gain > 0 else -1

    def __str__(self) -> str:
        return f"{self.gain:+.4f} ± {self.error:.4f}"


def paired_difference(
    measure: Measure,
    first: Tensor,
    second: Tensor,
    targets: Tensor,
    *,
    groups: Tensor | None = None,
    seed: int = 0,
) -> Difference:
    """Measure both sets of outputs on the same samples and bootstrap the difference.

    The samples are drawn again with replacement, 200 times (50 times from 2000 samples on), the
    same ones for both (Efron and Tibshirani 1993); where samples belong to `groups`, whole groups
    are drawn. Draws for which the measure is not defined, for want of a class, are left out.

    >>> measure = lambda outputs, targets: float((outputs.argmax(1) == targets).double().mean())
    >>> targets = torch.arange(200) % 2
    >>> right = torch.eye(2)[targets]
    >>> paired_difference(measure, -right, right, targets)
    Difference(gain=1.0, error=0.0)
    """
    whole = _gain(measure, first, second, targets)
    if whole is None:
        return Difference(0.0, 0.0)
    gains = []
    for rows in _draws(len(targets), groups, np.random.default_rng(seed)):
        gain = _gain(measure, first[rows], second[rows], targets[rows])
        if gain is not None:
            gains.append(gain)
    return Difference(whole, float(np.std(gains, ddof=1)) if len(gains) > 1 else math.inf)


def _draws(count: int, groups: Tensor | None, rng: np.random.Generator) -> Iterator[Tensor]:
    times = _DRAWS if count < _MANY else _FEWER_DRAWS
    if groups is None:
        for _ in range(times):
            yield torch.from_numpy(rng.integers(count, size=count))
        return
    _, numbers = np.unique(groups.numpy(), return_inverse=True)
    order = torch.from_numpy(np.argsort(numbers, kind="stable"))
    members = torch.split(order, np.bincount(numbers).tolist())
    for _ in range(times):
        yield torch.cat([members[place] for place in rng.integers(len(members), size=len(members))])


def _gain(measure: Measure, first: Tensor, second: Tensor, targets: Tensor) -> float | None:
    before, after = measure(first, targets), measure(second, targets)
    return None if before is None or after is None else float(after) - float(before)


@dataclass(frozen=True)
class Verdict:
    """Whether to prefer the second predictions, and the numbers that say so."""

    better: bool
    reason: str


@dataclass(frozen=True)
class Judge:
    """Compares predictions by the objective's metric, and where that is undecided by the loss.

    `measure` gives the metric of (outputs, targets), `loss` their mean loss. A metric such as the
    accuracy sees only which samples change sides; on a few hundred of them most improvements
    drown in noise. The loss sees every sample, so it has the second word.
    """

    objective: Objective
    measure: Measure
    loss: Measure

    @classmethod
    def of(cls, task: Any, objective: Objective) -> Judge:
        """Give the judge of a task; for an objective that is no metric of it by its main one."""
        if objective.metric not in task.metric_names:
            objective = Objective.parse(task.main_metric)
        measure = task.loss if objective.metric == "loss" else task.metrics[objective.metric]
        return cls(objective, measure, task.loss)

    def score(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Give the metric itself, None where it is not defined."""
        value = self.measure(outputs, targets)
        return None if value is None else float(value)

    def gain(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Give the metric so that larger is better."""
        value = self.score(outputs, targets)
        return None if value is None else self.objective.gain(value)

    def rank(self, outputs: Tensor, targets: Tensor) -> tuple[float, float]:
        """Give what is compared in a selection: the metric, then the loss; larger is better."""
        gain = self.gain(outputs, targets)
        loss = float(self.loss(outputs, targets))  # type: ignore[arg-type]
        lost = -math.inf if math.isnan(loss) else -loss
        return (-math.inf if gain is None else gain), lost

    def prefers(
        self, first: Tensor, second: Tensor, targets: Tensor, groups: Tensor | None = None
    ) -> Verdict:
        """Say whether `second` is better than `first` by more than one standard error.

        The metric decides where it differs by more than that, else the loss does.
        """
        name = self.objective.metric
        found = paired_difference(self.gain, first, second, targets, groups=groups)
        if found.clear or self.measure is self.loss:
            return Verdict(found.clear > 0, f"{name} {self._shown(found)}")
        loss = paired_difference(self.loss, first, second, targets, groups=groups)
        lower = loss.clear < 0
        return Verdict(
            lower, f"{name} {self._shown(found)}, which is within noise, and loss {loss}"
        )

    def _shown(self, found: Difference) -> str:
        sign = 1 if self.objective.direction == "max" else -1
        return str(Difference(sign * found.gain + 0.0, found.error))
