"""Cost: parameters, floating point operations and measured latency."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archloom.architecture import Architecture
from archloom.errors import ConfigError
from archloom.estimators._base import Candidate
from archloom.nn import ModelSpace
from archloom.task import Inputs, Task, call_model

_WARM_UP = 3


@dataclass(frozen=True)
class Cost:
    """Count parameters and, where asked for, operations, and measure latency.

    Gives `params`; `flops`: floating point operations of one sample's forward pass, by torch's
    counter, which takes a multiplication and an addition as two and counts matrix products,
    convolutions and attention (what others call MACs is half of it); `latency_ms`: the median
    of `repeats` forward passes of `batch` samples on the candidate's device, measured once a run
    and architecture. Parameters and operations need no data and no memory: the model is built on
    the meta device.

    >>> Cost(latency=True, batch=8)
    Cost(flops=True, latency=True, batch=8, repeats=20)
    """

    flops: bool = True
    latency: bool = False
    batch: int = 1
    repeats: int = 20

    def __post_init__(self) -> None:
        for name in ("batch", "repeats"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} of Cost must be a whole number from 1, got {value!r}.")

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """Give the costs of the candidate's model."""
        counted = Cost(flops=self.flops).of(
            candidate.space, candidate.architecture, candidate.task, candidate.device
        )
        if not self.latency:
            return counted
        measured = candidate.remember(
            f"latency_ms {candidate.architecture.key} batch {self.batch}",
            lambda: self._latency(candidate.build(), candidate.task, candidate.device),
        )
        return {**counted, "latency_ms": float(measured)}

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
            costs["flops"] = float(_flops(model, space, architecture, task))
        if self.latency:
            model = space.build(architecture, device=device)
            costs["latency_ms"] = self._latency(model, task, torch.device(device))
        return costs

    def _latency(self, model: nn.Module, task: Task, device: torch.device) -> float:
        inputs = task.example(self.batch, device=device)
        model.eval()
        with torch.inference_mode():
            for _ in range(_WARM_UP):
                call_model(model, inputs)
            seconds = [_timed(model, inputs, device) for _ in range(self.repeats)]
        return round(statistics.median(seconds) * 1e3, 6)


def _timed(model: nn.Module, inputs: Inputs, device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    call_model(model, inputs)
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _flops(model: nn.Module, space: ModelSpace, architecture: Architecture, task: Task) -> int:
    try:
        return _counted(model, task.example(1, device="meta"))
    except (RuntimeError, NotImplementedError):  # a forward pass that looks at values
        return _counted(space.build(architecture), task.example(1, device="cpu"))


def _counted(model: nn.Module, inputs: Inputs) -> int:
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call_model(model, inputs)
    return int(counter.get_total_flops())
