"""Traits: what a method asks of the loop that trains its supernet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archloom.errors import ConfigError


@dataclass(frozen=True)
class WeightOptimizer:
    """How the supernet's weights are trained: SGD along half a cosine from `lr` to `lr_end`.

    The defaults are those of DARTS (arXiv 1806.09055, section A.1.1). `clip` bounds the norm of
    the gradient; None leaves it alone.

    >>> WeightOptimizer(lr=0.1).lr_end
    0.001
    """

    lr: float = 0.025
    lr_end: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: float | None = 5.0


@dataclass(frozen=True)
class ArchOptimizer:
    """How architecture parameters are trained: Adam at a constant rate.

    The defaults are those of DARTS (arXiv 1806.09055, section A.1.1).

    >>> ArchOptimizer(betas=(0.0, 0.999), weight_decay=0.0).lr
    0.0003
    """

    lr: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3
    clip: float | None = None


@dataclass(frozen=True)
class Traits:
    """What a method asks of the loop that trains its supernet; the defaults ask nothing special.

    Args:
        weights: the optimizer of the supernet's weights, as in the method's paper.
        arch: the optimizer of the architecture parameters, as in the method's paper.
        epochs: how many the paper searches for on CIFAR-10.
        batch_size: as in the paper.
        order: 2 for architecture gradients through one step of the weights (DARTS), else 1.
        hessian: how a second-order gradient is made: "exact", a Hessian-vector product by double
            backward, or "finite", the paper's difference of two gradients.
        warmup: share of the epochs, from the first on, without architecture steps.
        every: "batch" for an architecture step after each weight step, "epoch" for all of them
            after the epoch's weight steps (ENAS).
        bilevel: whether weights and architecture learn from two halves of the training data;
            False for both from all of them (SNAS). Methods without architecture parameters
            always train on all of them.
        distill: whether the weight step's first path, without gradient, gives soft targets to
            the paths after it (sandwich rule).
        frozen_affine: whether scale and shift of the batch norms inside options stay at 1 and 0
            during the search (DARTS, section 3.1.1), so that no option can scale itself up.
        rewarded: whether the method learns from `Judged.score` rather than from the loss, so
            that a penalty is taken off the score.

    >>> Traits(order=2).hessian
    'finite'
    """

    weights: WeightOptimizer = WeightOptimizer()
    arch: ArchOptimizer = ArchOptimizer()
    epochs: int = 50
    batch_size: int = 64
    order: Literal[1, 2] = 1
    hessian: Literal["finite", "exact"] = "finite"
    warmup: float = 0.0
    every: Literal["batch", "epoch"] = "batch"
    bilevel: bool = True
    distill: bool = False
    frozen_affine: bool = False
    rewarded: bool = False

    def __post_init__(self) -> None:
        if self.order not in (1, 2):
            raise ConfigError(f"The order of a method is 1 or 2, got {self.order!r}.")
        if self.hessian not in ("finite", "exact"):
            raise ConfigError(f"hessian is 'finite' or 'exact', got {self.hessian!r}.")
        if not 0 <= self.warmup < 1:
            raise ConfigError(
                f"warmup is the share of epochs without architecture steps, from 0 to below 1, "
                f"got {self.warmup!r}."
            )
