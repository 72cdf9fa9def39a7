"""Penalty: what a method pays for expensive options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, final

import torch
from torch import Tensor

from archloom.architecture import Architecture
from archloom.errors import ConfigError, did_you_mean
from archloom.nn import Assignment
from archloom.oneshot._cost_tree import METRICS, CostTree, Metric
from archloom.oneshot._gates import Judge, Judged
from archloom.oneshot._uniform import uniform_chances
from archloom.oneshot._work import milliseconds, work_of

if TYPE_CHECKING:
    from archloom.nn import Supernet
    from archloom.task import Inputs

_FORM: Final = "'flops:0.1' (metric:weight) or 'flops:0.1:2e6' (metric:weight:target)"


@dataclass(frozen=True)
class Penalty:
    """A price on parameters, operations or latency.

    Without a target, `weight` times the expected cost is added to the architecture's loss, in
    units of what the space costs on average before anything is learnt: a network half as
    expensive pays half the weight. With one, `weight` times the share by which the expected cost
    exceeds the target: nothing below it. That it is a term of the loss, differentiable through
    the probabilities, is ProxylessNAS (arXiv 1812.00332, section 3.3.1, eq. 5 for latency) and
    SNAS (arXiv 1812.09926, section 2.4). ENAS pays the cost of each path off its reward. Methods
    that only sample learn nothing that could be priced; with a target they train no path that
    exceeds it.

    Args:
        metric: "params", "flops" (as `Cost` counts them, for one sample) or "latency_ms".
        weight: the price, above 0.
        target: what is free, in the metric's unit.

    >>> Penalty.of("flops:0.1")
    Penalty(metric='flops', weight=0.1, target=None)
    """

    metric: Metric = "flops"
    weight: float = 0.1
    target: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigError(
                f"A penalty's metric is not known: {did_you_mean(str(self.metric), METRICS)}."
            )
        for name, value in (("weight", self.weight), ("target", self.target)):
            if name == "target" and value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:  # type: ignore[operator]
                raise ConfigError(
                    f"A penalty's {name} must be a finite number above 0, got {value!r}."
                )

    @classmethod
    def of(cls, given: Penalty | str | Mapping[str, Any]) -> Penalty:
        """Read a penalty from a text such as "flops:0.1" or "params:0.5:200000", or a mapping.

        Raises:
            ConfigError: for anything else.

        >>> Penalty.of({"metric": "params", "target": 2e5}).weight
        0.1
        """
        if isinstance(given, Penalty):
            return given
        if isinstance(given, str):
            return cls(**_parsed(given))
        if not isinstance(given, Mapping):
            raise ConfigError(f"A penalty is a text like {_FORM} or a mapping, got {given!r}.")
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise ConfigError(
                    f"A penalty has no setting {name!r}: {did_you_mean(str(name), known)}."
                )
        return cls(**given)

    def on(self, supernet: Supernet, example: Inputs, device: torch.device | str = "cpu") -> Charge:
        """Measure a supernet, for a method that learns.

        Args:
            supernet: whose options have the price.
            example: inputs of one sample.
            device: where latency is measured.

        Raises:
            ConfigError: when the cost hangs on a choice in a way that has no mean.
        """
        tree = CostTree.of(supernet, example, self.metric, device)
        uniform = tree.expected(uniform_chances(supernet.space.space))
        if not float(uniform) > 0:
            raise ConfigError(
                f"A penalty on {self.metric} needs options that differ in it, but no model of "
                f"this space has any. Leave the penalty out, or take another metric."
            )
        return Charge(self, tree, float(uniform))

    def admitting(
        self, supernet: Supernet, example: Inputs, device: torch.device | str = "cpu"
    ) -> Callable[[Architecture], bool]:
        """Give what says whether a path meets the target, for a method that samples paths.

        Raises:
            ConfigError: without a target.
        """
        if self.target is None:
            raise ConfigError(
                f"A method that samples paths can leave out those that cost too much, so a "
                f"penalty on {self.metric} must say how much that is: "
                f"'{self.metric}:{self.weight:g}:TARGET'."
            )
        target = self.target
        cost = _path_cost(self.metric, supernet, example, device)
        return lambda architecture: cost(architecture) <= target


@final
class Charge:
    """A penalty with the costs of a supernet, ready to be charged.

    Attributes:
        penalty: what is charged.
        tree: the costs.
        average: the mean cost of a space whose options are all equally likely.
    """

    def __init__(self, penalty: Penalty, tree: CostTree, average: float) -> None:
        self.penalty = penalty
        self.tree = tree
        self.average = average

    def term(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Give what is added to the architecture's loss, given `Gates.probabilities()`."""
        return self._price(self.tree.expected(probabilities))

    def judging(self, judge: Judge) -> Judge:
        """Give a judge that takes a path's price off its score, for methods that are rewarded."""

        def judged(assignment: Assignment) -> Judged:
            plain = judge(assignment)
            if not isinstance(assignment, Architecture):
                raise ConfigError(
                    "A reward can be charged for single paths only, and this method weighs "
                    "several: its traits must not say rewarded=True."
                )
            cost = torch.tensor(self.tree.cost(assignment), dtype=torch.float64)
            return Judged(plain.loss, plain.score - float(self._price(cost)))

        return judged

    def _price(self, cost: Tensor) -> Tensor:
        if self.penalty.target is None:
            return self.penalty.weight * cost / self.average
        return self.penalty.weight * (cost / self.penalty.target - 1).clamp(min=0)


def _parsed(text: str) -> dict[str, Any]:
    metric, *numbers = text.split(":")
    if len(numbers) > 2:
        raise ConfigError(f"A penalty is written {_FORM}, got {text!r}.")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        raise ConfigError(f"A penalty is written {_FORM}, got {text!r}.") from None
    return {"metric": metric.strip(), **dict(zip(("weight", "target"), values, strict=False))}


def _path_cost(
    metric: Metric, supernet: Supernet, example: Inputs, device: torch.device | str
) -> Callable[[Architecture], float]:
    try:
        return CostTree.of(supernet, example, metric, device).cost
    except ConfigError:  # no table holds it: count each path
        pass
    known: dict[str, float] = {}

    def cost(architecture: Architecture) -> float:
        if architecture.key not in known:
            known[architecture.key] = _counted(metric, supernet, architecture, example, device)
        return known[architecture.key]

    return cost


def _counted(
    metric: Metric,
    supernet: Supernet,
    architecture: Architecture,
    example: Inputs,
    device: torch.device | str,
) -> float:
    if metric == "latency_ms":
        return sum(milliseconds(supernet, architecture, example, device).values())
    works = work_of(supernet, architecture, example, metric)
    return float(sum(getattr(work, metric) for work in works.values()))
