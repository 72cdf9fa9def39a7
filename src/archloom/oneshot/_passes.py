"""Passes: forward passes of a supernet on batches of a task, with losses and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from archloom.errors import TrialError
from archloom.nn import Assignment, Supernet, Weighted
from archloom.objective import Objective
from archloom.oneshot._gates import Gates, Judged
from archloom.task import Inputs, Task, call_model
from archloom.train import Batch, Recipe, distilled, soft_outputs, training_loss


class Passes:
    """Runs a supernet under assignments, on a device and in a precision.

    `weights` in place of the supernet's own, by name, let a step look ahead without taking it.
    """

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        gates: Gates,
        recipe: Recipe,
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.supernet = supernet
        self.task = task
        self.gates = gates
        self.device = device
        self.dtype = dtype
        self._loss = training_loss(task, recipe, None)
        self._goal = Objective.parse(task.main_metric)

    def outputs(
        self, assignment: Assignment, inputs: Inputs, weights: Mapping[str, Tensor] | None = None
    ) -> Any:
        """Give the supernet's outputs under an assignment."""
        gates = on_device(assignment, self.device)
        model = self.supernet if weights is None else _with(self.supernet, weights)
        with self.supernet.routed(gates, partial=self.gates.partial), self._precision(weights):
            return call_model(model, inputs)

    def loss(
        self, assignment: Assignment, batch: Batch, weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Give the batch's mean loss under an assignment."""
        return self._loss_of(self.outputs(assignment, batch.inputs, weights), batch)

    def judge(
        self, batch: Batch, weights: Mapping[str, Tensor] | None = None
    ) -> Callable[[Assignment], Judged]:
        """Give what `Learned.loss` asks about a batch."""

        def judged(assignment: Assignment) -> Judged:
            outputs = self.outputs(assignment, batch.inputs, weights)
            loss = self._loss_of(outputs, batch)
            return _Verdict(loss, lambda: self._score(outputs, batch.targets, loss))

        return judged

    def taught(
        self, assignment: Assignment, batch: Batch, teacher: Tensor | None
    ) -> tuple[Tensor, Any]:
        """Give the loss and the outputs, the loss against a teacher's outputs where there are."""
        outputs = self.outputs(assignment, batch.inputs)
        if teacher is None or not self._teaches:
            return self._loss_of(outputs, batch), outputs
        with self._precision(None):
            return distilled(self.task.target, outputs, teacher, 1.0), outputs

    def lesson(self, outputs: Any) -> Tensor | None:
        """Give what outputs can teach, None where the task has a loss of its own."""
        return soft_outputs(self.task.target, outputs.detach()) if self._teaches else None

    @property
    def _teaches(self) -> bool:
        return self.task.outputs is not None

    def _loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        wanted = (len(batch), self.task.outputs)
        if self.task.outputs is not None:
            shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            if shape != wanted:
                raise TrialError(
                    f"The supernet's output must be of shape {wanted} (samples, outputs), got "
                    f"{shape}. Check the space's last layer."
                )
        with self._precision(None):
            return batch.loss(self._loss, outputs)

    def _score(self, outputs: Any, targets: Tensor, loss: Tensor) -> float:
        """Give the batch's main metric, larger being better; the loss where it has none."""
        name = self._goal.metric
        if name != "loss":
            with torch.no_grad():
                value = self.task.metrics[name](_detached(outputs), targets)
            if value is not None:
                return self._goal.gain(float(value))
        return -float(loss.detach())

    def _precision(self, weights: Mapping[str, Tensor] | None) -> AbstractContextManager[Any]:
        # steps that look ahead are differentiated twice, which wants full precision
        if self.dtype is None or weights is not None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def on_device(assignment: Assignment, device: torch.device) -> Assignment:
    """Give the assignment with its weights on a device, moved there in one go."""
    found = {label: _weights(gate) for label, gate in assignment.items()}
    away = {label: w for label, w in found.items() if w is not None and w.device != device}
    if not away:
        return assignment
    joined = torch.cat([weights.reshape(-1) for weights in away.values()]).to(device)
    parts = torch.split(joined, [len(weights) for weights in away.values()])
    moved = dict(zip(away, parts, strict=True))
    return {
        label: _with_weights(gate, moved[label]) if label in moved else gate
        for label, gate in assignment.items()
    }


class _Verdict(Judged):
    """A judgement whose score is worked out when somebody asks for it: a GPU waits for it."""

    def __init__(self, loss: Tensor, measure: Callable[[], float]) -> None:
        object.__setattr__(self, "loss", loss)
        object.__setattr__(self, "_measure", measure)

    @property
    def score(self) -> float:
        measure: Callable[[], float] = object.__getattribute__(self, "_measure")
        return measure()


def _with(supernet: Supernet, weights: Mapping[str, Tensor]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        # statistics of batch norms go into copies: a look ahead leaves no trace
        buffers = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
        return functional_call(supernet, {**buffers, **weights}, args, kwargs)

    return called


def _weights(gate: Any) -> Tensor | None:
    if isinstance(gate, Weighted):
        return gate.weights
    return gate if isinstance(gate, Tensor) else None


def _with_weights(gate: Any, weights: Tensor) -> Any:
    return Weighted(gate.options, weights) if isinstance(gate, Weighted) else weights


def _detached(outputs: Any) -> Any:
    return outputs.detach() if isinstance(outputs, Tensor) else outputs
