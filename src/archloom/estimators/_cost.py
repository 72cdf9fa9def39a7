"""Cost: parameters, floating point operations, activation memory and measured latency."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators._base import Candidate
from archloom.estimators._memory import peak_activations
from archloom.nn import ModelSpace
from archloom.task import Inputs, Task, call_model

_WARM_UP: Final = 3
_PLAIN: Final = ("params", "flops", "memory", "latency_ms")
_PERCENTILE: Final = re.compile(r"latency_ms_p([1-9]\d?|100)$")


@dataclass(frozen=True)
class Cost:
    """Count parameters and, where asked for, operations and memory, and measure latency.

    Gives `params`; `flops`: floating point operations of one sample's forward pass, by torch's
    counter, which takes a multiplication and an addition as two and counts matrix products,
    convolutions and attention (what others call MACs is half of it); `memory`: the bytes of
    activations that one sample's forward pass holds at its peak, its input included and weights
    not; `latency_ms`: the median of `repeats` forward passes of `batch` samples on the candidate's
    device, measured once a run and architecture, and `latency_ms_p90` and so on for the
    `percentiles` of the same passes. All but latency need no data and no time: the model is built
    on the meta device.

    >>> Cost(latency=True, batch=8).metrics
    ('params', 'flops', 'latency_ms', 'latency_ms_p90')
    """

    flops: bool = True
    latency: bool = False
    batch: int = 1
    repeats: int = 20
    memory: bool = False
    percentiles: tuple[int, ...] = (90,)

    def __post_init__(self) -> None:
        for name in ("batch", "repeats"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} of Cost must be a whole number from 1, got {value!r}.")
        object.__setattr__(self, "percentiles", tuple(self.percentiles))
        for value in self.percentiles:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 100:
                raise ConfigError(
                    f"percentiles of Cost must be whole numbers from 1 to 100, got {value!r}."
                )

    @classmethod
    def giving(cls, metrics: Iterable[str], *, flops: bool = True) -> Cost:
        """Give a `Cost` that has those of the metrics that are costs; `flops` in any case.

        >>> Cost.giving(["accuracy", "memory", "latency_ms_p99"]).metrics
        ('params', 'flops', 'memory', 'latency_ms', 'latency_ms_p99')
        """
        names = set(metrics)
        tails = sorted(int(found[1]) for name in names if (found := _PERCENTILE.match(name)))
        return cls(
            flops=flops or "flops" in names,
            latency=bool(tails) or "latency_ms" in names,
            memory="memory" in names,
            percentiles=tuple(tails) or (90,),
        )

    @staticmethod
    def measures(metric: str) -> bool:
        """Say whether a metric is a cost that `Cost` can give.

        >>> Cost.measures("latency_ms_p90"), Cost.measures("accuracy")
        (True, False)
        """
        return metric in _PLAIN or _PERCENTILE.match(metric) is not None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that it gives."""
        names = ["params", *(name for name in ("flops", "memory") if getattr(self, name))]
        return (*names, *(self._latencies if self.latency else ()))

    @property
    def _latencies(self) -> tuple[str, ...]:
        return ("latency_ms", *(f"latency_ms_p{value}" for value in self.percentiles))

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the costs of the candidate's model."""
        counted = replace(self, latency=False).of(
            candidate.space, candidate.architecture, candidate.task, candidate.device
        )
        if not self.latency:
            return counted
        tails = ",".join(map(str, self.percentiles))
        measured = candidate.remember(
            f"latency_ms {candidate.architecture.key} batch {self.batch} percentiles {tails}",
            lambda: self._latency(candidate.build(), candidate.task, candidate.device),
        )
        return {**counted, **{name: float(value) for name, value in measured.items()}}

    def of(
        self,
        space: ModelSpace,
        architecture: Architecture,
        task: Task,
        device: torch.device | str = "cpu",
    ) -> dict[str, float]:
        """Give the costs of an architecture; only latency needs the device."""
        model = space.build(architecture, device="meta")
        costs = {"params": float(sum(p.numel() for p in model.parameters()))}
        if self.flops:
            costs["flops"] = float(_without_data(_flops, model, space, architecture, task))
        if self.memory:
            costs["memory"] = float(
                _without_data(peak_activations, model, space, architecture, task)
            )
        if self.latency:
            model = space.build(architecture, device=device)
            costs |= self._latency(model, task, torch.device(device))
        return costs

    def _latency(self, model: nn.Module, task: Task, device: torch.device) -> dict[str, float]:
        inputs = task.example(self.batch, device=device)
        model.eval()
        with torch.inference_mode():
            for _ in range(_WARM_UP):
                call_model(model, inputs)
            seconds = [_timed(model, inputs, device) for _ in range(self.repeats)]
        levels = np.percentile(seconds, [50, *self.percentiles]) * 1e3
        return dict(zip(self._latencies, levels.round(6).tolist(), strict=True))


def _timed(model: nn.Module, inputs: Inputs, device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    call_model(model, inputs)
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _without_data(
    count: Callable[[nn.Module, Inputs], int],
    model: nn.Module,
    space: ModelSpace,
    architecture: Architecture,
    task: Task,
) -> int:
    try:
        return count(model, task.example(1, device="meta"))
    except (RuntimeError, NotImplementedError):  # a forward pass that looks at values
        return count(space.build(architecture), task.example(1, device="cpu"))


def _flops(model: nn.Module, inputs: Inputs) -> int:
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call_model(model, inputs)
    return int(counter.get_total_flops())
