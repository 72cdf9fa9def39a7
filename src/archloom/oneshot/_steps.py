"""Steps: one of the supernet's weights, and one of the architecture parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from archloom.nn import Assignment
from archloom.oneshot._gates import Learned
from archloom.oneshot._passes import Passes
from archloom.oneshot._penalty import Charge
from archloom.train import Batch

_RADIUS = 0.01  # of the finite difference, over the norm of the direction (1806.09055, section 2.3)

Scale = Callable[[Tensor], Tensor]


def weight_gradients(
    passes: Passes,
    batch: Batch,
    paths: Sequence[Assignment],
    *,
    distill: bool = False,
    micro_batch: int | None = None,
    scale: Scale = lambda loss: loss,
) -> Tensor:
    """Add up the gradients of all paths in the supernet's weights; give the paths' mean loss.

    With `distill` the first path's outputs teach the others in place of the targets (BigNAS,
    arXiv 2003.11142, section 3.1: in-place distillation).
    """
    total = torch.zeros((), device=passes.device)
    for part, share in batch.parts(micro_batch):
        teacher: Tensor | None = None
        for path in paths:
            loss, outputs = passes.taught(path, part, teacher)
            if distill and teacher is None:
                teacher = passes.lesson(outputs)
            if share != 1.0:
                loss = loss * share
            scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
    return total / len(paths)


class ArchGradient:
    """Gradients of the validation loss with respect to the architecture parameters.

    `charge` adds the price of a penalty to the loss, or takes it off a rewarded method's score.
    """

    def __init__(
        self,
        passes: Passes,
        gates: Learned,
        charge: Charge | None = None,
    ) -> None:
        self._passes = passes
        self._gates = gates
        self._charge = charge

    def first_order(
        self,
        batch: Batch,
        seed: int,
        *,
        micro_batch: int | None = None,
        scale: Scale = lambda loss: loss,
    ) -> tuple[list[Tensor], Tensor]:
        """Give the gradient with the weights as they are, and the loss."""
        total = torch.zeros((), device=self._passes.device)
        sums: list[Tensor] | None = None
        for part, share in batch.parts(micro_batch):
            with _resting(self._passes.supernet):
                loss = self._objective(part, seed, None)
            if share != 1.0:
                loss = loss * share
            found = self._gradients(scale(loss), self._parameters)
            sums = found if sums is None else [a + b for a, b in zip(sums, found, strict=True)]
            total += loss.detach().to(total.device)
        assert sums is not None  # a batch has at least one part
        return sums, total

    def second_order(
        self,
        batch: Batch,
        train: Batch,
        seed: int,
        step: WeightStep,
        hessian: Literal["finite", "exact"] = "finite",
    ) -> tuple[list[Tensor], Tensor]:
        """Give the gradient through one step of the weights, and the loss after that step.

        DARTS, arXiv 1806.09055, equation 7: the gradient at the weights after a step on `train`,
        less the step's rate times the mixed second derivative of the training loss along the
        validation gradient there. That product is the paper's difference of two
        gradients (equation 8), or exact, by double backward.
        """
        weights = step.weights
        training = self._objective(train, seed, weights)
        exact = hessian == "exact"
        gradient = _grad(training, list(weights.values()), create_graph=exact)
        ahead = step.taken([g.detach() for g in gradient])
        loss = self._objective(batch, seed, ahead)
        alphas = self._parameters
        found = self._gradients(loss, [*alphas, *ahead.values()])
        direct, direction = found[: len(alphas)], found[len(alphas) :]
        if exact:
            product = torch.stack(
                [(g * v).sum() for g, v in zip(gradient, direction, strict=True)]
            ).sum()
            mixed = self._gradients(product, alphas)
        else:
            del training, gradient
            mixed = self._difference(train, seed, weights, direction)
        pairs = zip(direct, mixed, strict=True)
        return [d - step.rate * m for d, m in pairs], loss.detach()

    def _difference(
        self,
        train: Batch,
        seed: int,
        weights: Mapping[str, Tensor],
        direction: Sequence[Tensor],
    ) -> list[Tensor]:
        norm = torch.linalg.vector_norm(torch.stack([v.norm() for v in direction]))
        radius = _RADIUS / float(norm.clamp_min(1e-12))
        ends = []
        for sign in (1, -1):
            moved = {
                name: (weight + sign * radius * v).detach()
                for (name, weight), v in zip(weights.items(), direction, strict=True)
            }
            ends.append(self._gradients(self._objective(train, seed, moved), self._parameters))
        return [(a - b) / (2 * radius) for a, b in zip(*ends, strict=True)]

    def _objective(self, batch: Batch, seed: int, weights: Mapping[str, Tensor] | None) -> Tensor:
        """Give the gates' loss; one seed draws alike for all batches of a step."""
        rng = np.random.default_rng(seed)
        judge, charge = self._passes.judge(batch, weights), self._charge
        if charge is None:
            return self._gates.loss(judge, rng)
        if self._gates.traits.rewarded:
            return self._gates.loss(charge.judging(judge), rng)
        loss = self._gates.loss(judge, rng)
        return loss + charge.term(self._gates.probabilities()).to(loss)

    @property
    def _parameters(self) -> list[Tensor]:
        return list(self._gates.parameters().values())

    @staticmethod
    def _gradients(loss: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
        if not loss.requires_grad:  # nothing that was drawn leads back to the parameters
            return [torch.zeros_like(x) for x in inputs]
        return _grad(loss, inputs)


@contextmanager
def _resting(model: nn.Module) -> Iterator[None]:
    """Leave the model's weights out of the graph: nothing is kept or computed for them."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_()


class WeightStep:
    """The step that the optimizer of the weights would take: SGD with momentum and decay."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        group = optimizer.param_groups[0]
        self.rate: float = group["lr"]
        self.weights: dict[str, Tensor] = {
            name: p for name, p in model.named_parameters() if p.requires_grad
        }
        self._momentum: float = group["momentum"]
        self._decay: float = group["weight_decay"]
        self._state = optimizer.state

    def taken(self, gradient: Sequence[Tensor]) -> dict[str, Tensor]:
        """Give the weights after the step, as leaves of a new graph."""
        after = {}
        for (name, weight), slope in zip(self.weights.items(), gradient, strict=True):
            move = slope + self._decay * weight.detach()
            moving = self._state.get(weight, {}).get("momentum_buffer")
            if moving is not None:
                move = move + self._momentum * moving
            after[name] = (weight.detach() - self.rate * move).requires_grad_()
        return after


def _grad(loss: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    found = torch.autograd.grad(loss, inputs, create_graph=create_graph, allow_unused=True)
    return [
        torch.zeros_like(x) if slope is None else slope
        for x, slope in zip(inputs, found, strict=True)
    ]
