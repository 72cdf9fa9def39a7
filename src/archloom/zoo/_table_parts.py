"""Embeddings of numbers and categories, and layers that an ensemble shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import torch
from torch import Tensor, nn

from archloom.nn import wired

_BITS: Final = 20


def periodic(features: int, frequencies: int, spread: float, width: int) -> nn.Module:
    """Give the periodic embedding of numbers, PLR (Gorishniy et al. 2022, arXiv:2203.05556).

    (n, features) -> (n, features * width): sines and cosines of learnt frequencies, then a
    linear layer for each number and ReLU.
    """
    # kept flat, as a vector, so that weight decay, which is for matrices, leaves it alone
    frequency = nn.Parameter(torch.randn(features * frequencies) * spread)
    return wired(
        lambda self, x: self.linear(
            _waves(x.unsqueeze(2) * self.frequency.view(1, features, frequencies) * 2 * math.pi)
        ),
        {"frequency": frequency, "linear": _each(features, 2 * frequencies, width)},
        name="Periodic",
    )


def _waves(angles: Tensor) -> Tensor:
    return torch.cat([torch.cos(angles), torch.sin(angles)], 2)


def pieces(features: int, bins: int, width: int) -> nn.Module:
    """Give a piecewise linear embedding of numbers (after arXiv:2203.05556).

    (n, features) -> (n, features * width). The paper takes the bins' edges from the quantiles of
    the data; here they begin at the quantiles of the normal distribution, which suits
    standardised numbers, and are learnt.
    """
    edges = torch.erfinv(torch.linspace(-0.98, 0.98, bins + 1)) * math.sqrt(2)
    starts, slopes = edges[:-1], 1 / edges.diff()
    return wired(
        lambda self, x: self.linear(
            _ramps(
                x.unsqueeze(2),
                self.start.view(1, features, bins),
                self.slope.view(1, features, bins),
            )
        ),
        {
            "start": nn.Parameter(starts.repeat(features)),
            "slope": nn.Parameter(slopes.repeat(features)),
            "linear": _each(features, 1 + bins, width),
        },
        name="Pieces",
    )


def _ramps(x: Tensor, start: Tensor, slope: Tensor) -> Tensor:
    """Give the number itself, so that what lies beyond all bins differs, and a ramp a bin."""
    return torch.cat([x, torch.clamp((x - start) * slope, 0.0, 1.0)], 2)


def _each(features: int, before: int, after: int) -> nn.Module:
    """Give a linear layer with weights of its own for each feature, ReLU, and flattening."""
    bound = before**-0.5
    weight = nn.Parameter(torch.empty(features, before, after).uniform_(-bound, bound))
    bias = nn.Parameter(torch.empty(features * after).uniform_(-bound, bound))
    return wired(
        lambda self, x: torch.relu((x.unsqueeze(2) @ self.weight).flatten(1) + self.bias),
        {"weight": weight, "bias": bias},
        name="EachLinear",
    )


def categories(cardinalities: Sequence[int], width: int) -> nn.Module:
    """Give an embedding of category ids: (n, k) whole numbers -> (n, k * width).

    Column i holds ids from 0 to `cardinalities[i]` - 1.
    """
    first = torch.tensor([0, *accumulate(cardinalities)][:-1])
    table = nn.Embedding(sum(cardinalities), width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return wired(
        lambda self, x: self.table(x + self.first).flatten(1),
        {"first": first, "table": table},
        name="Categories",
    )


def shared_linear(before: int, after: int, members: int, *, first: bool = False) -> nn.Module:
    """Give a layer whose weights all members of an ensemble share (BatchEnsemble, 2002.06715).

    (n, members, before) -> (n, members, after), the first one from (n, before). Each member scales
    inputs and outputs and has a bias of its own. As in TabM (arXiv:2410.24210) all scales
    begin at one, but those of the first layer's inputs, which begin as random signs.
    """
    signs = torch.randint(0, 2, (members * before,)) * 2.0 - 1.0
    scale_in = signs if first else torch.ones(members * before)

    def forward(self: Any, x: Any) -> Any:
        x = x.unsqueeze(1) if first else x
        scaled = self.linear(x * self.scale_in.view(1, members, before))
        return scaled * self.scale_out.view(1, members, after) + self.bias.view(1, members, after)

    parts: dict[str, nn.Module | Tensor] = {
        "scale_in": nn.Parameter(scale_in),
        "scale_out": nn.Parameter(torch.ones(members * after)),
        "bias": nn.Parameter(torch.empty(members * after).uniform_(-1, 1) * before**-0.5),
        "linear": nn.Linear(before, after, bias=False),
    }
    return wired(forward, parts, name="SharedLinear")


def heads(before: int, outputs: int, members: int, *, taught: str = "all") -> nn.Module:
    """Give a linear layer a member, and the mean of them: (n, members, before) -> (n, outputs).

    `taught` says whose mean it is in training: that of `all` members; of a `half`, drawn anew for
    each sample; or a single member, `one`, drawn likewise, so that the expected loss is the mean
    of the members' losses. Afterwards it is always that of all.
    """
    bound = before**-0.5
    parts: dict[str, nn.Module | Tensor] = {
        "weight": nn.Parameter(torch.empty(members, before, outputs).uniform_(-bound, bound)),
        "bias": nn.Parameter(torch.empty(members * outputs).uniform_(-bound, bound)),
    }
    if taught != "all":
        parts["drawn"] = nn.Dropout(0.5)
    if taught == "one":
        parts["powers"] = 2.0 ** torch.arange(_BITS)

    def forward(self: Any, x: Any) -> Any:
        x = x.transpose(0, 1)
        outcome = x @ self.weight + self.bias.view(members, 1, outputs)
        if taught == "all":
            return outcome.mean(0)
        some = torch.ones_like(outcome[:, :, :1])
        if taught == "half":
            some = self.drawn(some)
        else:
            # in training a random number of so many bits for each, afterwards the same for all
            drawn = self.drawn(some.expand(-1, -1, _BITS)) * self.powers
            drawn = drawn.sum(2, keepdim=True)
            some = torch.eq(drawn, torch.amax(drawn, 0, keepdim=True)).type_as(outcome)
        return (outcome * some).sum(0) / some.sum(0).clamp(min=1e-6)

    return wired(forward, parts, name="Heads")
