"""DrNAS: weights of all options, drawn from a Dirichlet distribution that is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence
from torch.nn.functional import elu

from archloom.nn import Assignment, Gate, Weighted
from archloom.oneshot._alphas import ByAlphas
from archloom.oneshot._chances import Keep
from archloom.oneshot._check import check_number, check_one_of, check_whole
from archloom.oneshot._gates import Judge, State
from archloom.oneshot._slots import Slot
from archloom.oneshot._subsets import inclusion
from archloom.oneshot._traits import ArchOptimizer, Traits, WeightOptimizer
from archloom.space import Space

_NEVER: Final = -1e4  # log-odds of an option that was dropped
_SMALL: Final = 1e-7


@dataclass
class DrNas(ByAlphas):
    """All options run, weighted by a draw from Dir(beta) with beta = elu(alpha) + 1.

    Chen, Wang, Cheng, Tang and Hsieh, "DrNAS: Dirichlet Neural Architecture Search" (ICLR 2021,
    arXiv 2006.10355), section 3: the gradient to beta is pathwise, and a regulariser holds beta
    near the anchor 1: loss + strength * d(beta, 1). Derived are the options of the largest mean
    beta / sum(beta).

    The paper's progressive scheme is off by default: K of partial channels begins high, and after
    half of the epochs each layer choice goes on with the better half of its options (rounded up)
    and K is halved. What differs from the paper: the network does not grow at that point.

    Args:
        regulariser: the distance to the anchor: "l2", its square; "kl", the divergence from
            Dir(1); or "none".
        strength: the factor of the regulariser.
        first_partial: K of partial channels at first, as in PC-DARTS; 1 for all channels.
        progressive: whether options are dropped and K is halved on the way.
        none: whether "none" may be derived, see `Darts`.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = DrNas()
    >>> ops = OneOf((Option("conv3"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> round(gates.paths(np.random.default_rng(0))[0]["op"].sum().item(), 6)
    1.0
    """

    regulariser: Literal["l2", "kl", "none"] = "l2"
    strength: float = 1e-3
    first_partial: int = 1
    progressive: bool = False
    none: Keep = "auto"

    def __post_init__(self) -> None:
        check_one_of("DrNas", "regulariser", self.regulariser, ("l2", "kl", "none"))
        check_number("DrNas", "strength", self.strength, 0)
        check_whole("DrNas", "first_partial", self.first_partial, 1)
        check_one_of("DrNas", "progressive", self.progressive, (True, False))
        self._checked_none()

    @property
    def traits(self) -> Traits:
        # The regulariser takes the place of weight decay.
        return Traits(
            weights=WeightOptimizer(lr=0.1, lr_end=0.0),
            arch=ArchOptimizer(lr=6e-4, weight_decay=0.0),
            frozen_affine=True,
        )

    def setup(self, space: Space, seed: int) -> None:
        super().setup(space, seed)
        self._kept: dict[str, list[int]] = {}

    @property
    def partial(self) -> int:
        return max(1, self.first_partial // 2) if self._kept else self.first_partial

    def anneal(self, share: float) -> None:
        if self.progressive and share >= 0.5 and not self._kept:
            self._kept = {
                label: _better_half(beta.detach().tolist())
                for label, beta in self.concentrations().items()
                if self._alphas.slot(label).names
            }

    def concentrations(self) -> Mapping[str, Tensor]:
        """Give the Dirichlet distribution's beta for each parameter."""
        return {label: elu(alpha) + 1 for label, alpha in self.parameters().items()}

    def log_odds(self) -> Mapping[str, Tensor]:
        odds = {}
        for label, beta in self.concentrations().items():
            odds[label] = beta.clamp(min=_SMALL).log()
            if label in self._kept:
                gone = torch.ones_like(beta, dtype=torch.bool)
                gone[self._kept[label]] = False
                odds[label] = odds[label].masked_fill(gone, _NEVER)
        return odds

    def weighted(self, rng: np.random.Generator) -> Assignment:
        gates = {label: self._gate(label, b, rng) for label, b in self.concentrations().items()}
        return self._alphas.assignment(gates)

    def loss(self, judge: Judge, rng: np.random.Generator) -> Tensor:
        loss = judge(self.weighted(rng)).loss
        if self.regulariser == "none":
            return loss
        distances = [
            self._distance(beta).to(loss.device) for beta in self.concentrations().values()
        ]
        return loss + self.strength * torch.stack(distances).sum()

    def state(self) -> State:
        return {
            **super().state(),
            "kept": {label: list(kept) for label, kept in self._kept.items()},
        }

    def restore(self, state: State) -> None:
        super().restore(state)
        self._kept = {label: list(kept) for label, kept in state["kept"].items()}

    def _gate(self, label: str, beta: Tensor, rng: np.random.Generator) -> Gate:
        slot = self._alphas.slot(label)
        kept = self._kept.get(label)
        if kept is None:
            return _weights(slot, dirichlet(beta, rng))
        return Weighted(tuple(slot.options[p] for p in kept), dirichlet(beta[kept], rng))

    def _distance(self, beta: Tensor) -> Tensor:
        if self.regulariser == "l2":
            return (beta - 1).square().sum()
        return kl_divergence(Dirichlet(beta.clamp(min=_SMALL)), Dirichlet(torch.ones_like(beta)))


def dirichlet(beta: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw from Dir(beta), with the pathwise gradient to beta (arXiv 1806.01851).

    >>> dirichlet(torch.tensor([1e4, 3e4]), np.random.default_rng(0)).mul(10).round()
    tensor([2., 8.])
    """
    concentration = beta.detach().double().clamp(min=_SMALL).cpu().numpy()
    drawn = np.maximum(rng.dirichlet(concentration), _SMALL)
    sample = torch.tensor(drawn / drawn.sum(), dtype=beta.dtype, device=beta.device)
    given: Tensor = _Pathwise.apply(beta, sample)  # type: ignore[no-untyped-call]
    return given


class _Pathwise(torch.autograd.Function):
    """A sample that was drawn elsewhere, with the derivative that torch knows for it."""

    @staticmethod
    def forward(ctx: Any, beta: Tensor, sample: Tensor) -> Tensor:
        ctx.save_for_backward(beta, sample)
        return sample.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        beta, sample = ctx.saved_tensors
        total = beta.sum().expand_as(beta)
        moved = torch._dirichlet_grad(sample, beta, total)
        return moved * (grads[0] - (sample * grads[0]).sum()), None


def _weights(slot: Slot, sample: Tensor) -> Tensor:
    if slot.how == "one":
        return sample
    return inclusion(sample.log(), slot.low, slot.high)


def _better_half(beta: list[float]) -> list[int]:
    ranked = sorted(range(len(beta)), key=lambda place: -beta[place])
    return sorted(ranked[: (len(beta) + 1) // 2])
