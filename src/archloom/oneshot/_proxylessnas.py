"""ProxylessNAS: binary gates, of which two are looked at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from archloom.nn import Assignment, Gate, Weighted
from archloom.oneshot._alphas import ByAlphas
from archloom.oneshot._chances import Keep
from archloom.oneshot._slots import Slot
from archloom.oneshot._subsets import draw_places
from archloom.oneshot._traits import ArchOptimizer, Traits, WeightOptimizer
from archloom.space import SomeOf, Space

_TRIES = 20

_Places = tuple[int, ...]


@dataclass
class ProxylessNas(ByAlphas):
    """Two options of each choice run, one of them counts, and their alphas get its gradient.

    Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and
    Hardware" (ICLR 2019, arXiv 1812.00332), section 3.2: an architecture step draws two options
    by their probabilities, without replacement, and a binary gate between the two; the gradient
    to their alphas is eq. 4, d loss / d alpha_i = sum_j d loss / d g_j p_j (delta_ij - p_i), with
    p over the two. After the step both are shifted so that the probabilities of all other options
    stay as they were. A weight step trains one path drawn from all options.

    What differs from the paper: architecture steps come as often as weight steps (the authors'
    code: one after five), and latency is the `Penalty` of all methods. A subset whose inputs
    open no layer choice draws two subsets, and their alphas are not shifted.

    Args:
        none: whether "none" may be derived, see `Darts`.

    >>> from archloom.space import Choice, OneOf, Option, Space
    >>> gates = ProxylessNas()
    >>> ops = OneOf((Option("conv3"), Option("conv5"), Option("skip")))
    >>> gates.setup(Space((Choice("op", "layer", ops),)), seed=0)
    >>> gates.weighted(np.random.default_rng(0))["op"].weights.sum()
    tensor(1., grad_fn=<SumBackward0>)
    """

    none: Keep = "auto"

    def __post_init__(self) -> None:
        self._checked_none()

    @property
    def traits(self) -> Traits:
        return Traits(
            weights=WeightOptimizer(lr_end=0.0, nesterov=True, weight_decay=4e-5, clip=None),
            arch=ArchOptimizer(lr=1e-3, betas=(0.0, 0.999), weight_decay=0.0),
            epochs=120,
            batch_size=256,
            warmup=0.2,
        )

    def setup(self, space: Space, seed: int) -> None:
        super().setup(space, seed)
        self._drawn: dict[str, tuple[_Places, float]] = {}

    def paths(self, rng: np.random.Generator) -> Sequence[Assignment]:
        slots = self._alphas.slots.open
        values = {
            label: slots[label].value(_draw(slots[label], alpha, rng))
            for label, alpha in self.parameters().items()
        }
        return [self._alphas.assignment(values)]

    def weighted(self, rng: np.random.Generator) -> Assignment:
        self._drawn = {}
        gates = {label: self._gate(label, p, rng) for label, p in self.parameters().items()}
        return self._alphas.assignment(gates)

    def stepped(self) -> None:
        with torch.no_grad():
            for label, (places, before) in self._drawn.items():
                alpha = self.parameters()[label]
                alpha[list(places)] += before - float(alpha[list(places)].logsumexp(0))
        self._drawn = {}

    def _gate(self, label: str, alpha: Tensor, rng: np.random.Generator) -> Gate:
        slot = self._alphas.slot(label)
        if slot.how == "one":
            return self._two_options(slot, alpha, rng)
        first = _draw(slot, alpha, rng)
        return _two_subsets(slot, alpha, (first, self._other(slot, alpha, first, rng)), rng)

    def _other(
        self, slot: Slot, alpha: Tensor, first: _Places, rng: np.random.Generator
    ) -> _Places:
        for _ in range(_TRIES):
            second = _draw(slot, alpha, rng)
            if second != first:
                return second
        # One subset has nearly all the probability: compare it with one that is close to it.
        domain = self._alphas.slots.space.labels[slot.label].domain
        assert isinstance(domain, SomeOf)
        return domain.members(next(domain.near(slot.value(first))))

    def _two_options(self, slot: Slot, alpha: Tensor, rng: np.random.Generator) -> Weighted:
        values = alpha.detach()
        first = _draw(slot, values, rng)[0]
        rest = values.clone()
        rest[first] = -torch.inf
        places = (first, _draw(slot, rest, rng)[0])
        pair = alpha[list(places)]
        self._drawn[slot.label] = places, float(pair.detach().logsumexp(0))
        return Weighted(tuple(slot.options[p] for p in places), _binary(pair, rng))


def _draw(slot: Slot, alpha: Tensor, rng: np.random.Generator) -> _Places:
    return draw_places(alpha.detach().tolist(), slot.low, slot.high, rng)


def _binary(pair: Tensor, rng: np.random.Generator) -> Tensor:
    """Give zeros with a single one, drawn by softmax, whose gradient is that of the softmax."""
    chances = pair.softmax(0)
    hard = torch.zeros_like(chances)
    hard[int(rng.random() >= float(chances.detach()[0]))] = 1.0
    return hard + (chances - chances.detach())


def _two_subsets(
    slot: Slot, alpha: Tensor, subsets: tuple[_Places, _Places], rng: np.random.Generator
) -> Weighted:
    scores = torch.stack([alpha[list(places)].sum() for places in subsets])
    gates = _binary(scores, rng)
    union = sorted({place for places in subsets for place in places})
    members = [[float(place in places) for places in subsets] for place in union]
    weights = torch.tensor(members, dtype=gates.dtype, device=gates.device) @ gates
    return Weighted(tuple(slot.options[place] for place in union), weights)
