"""Average: weights averaged over the steps of a training, and the model that wears them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from archloom.train._recipe import Recipe

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Average:
    """The mean of a model's weights over its training, as the recipe's `ema` or `swa` asks for it.

    `ema` weighs the latest step with 1 - decay, the decay growing as (1 + t) / (10 + t) at first
    so that the random weights of the beginning are soon forgotten; the statistics of batch norms
    are averaged alike. `swa` gives each step from a share of the training on the same weight, and
    the statistics are measured anew (Izmailov et al. 2018, Averaging Weights Leads to Wider
    Optima and Better Generalization).

    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = Average(model, Recipe(swa=0.5))
    >>> for share, value in ((0.25, 7.0), (0.5, 1.0), (0.75, 3.0)):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update(share)
    >>> with average.worn():
    ...     model.weight.item()
    2.0
    >>> model.weight.item()
    3.0
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.model = model
        self.decay = recipe.ema
        self.begin = recipe.swa
        self.count = 0
        self._means: list[Tensor] = []

    @property
    def wanted(self) -> bool:
        """Whether the recipe averages at all."""
        return self.decay is not None or self.begin is not None

    @property
    def begun(self) -> bool:
        """Whether there is something averaged."""
        return self.count > 0

    @torch.no_grad()
    def update(self, share: float) -> None:
        """Take the weights after a step in; `share` is the share of the training that is done."""
        if not self.wanted or share < (self.begin or 0.0):
            return
        now = self._floats()
        if not self.begun:
            self._means = [tensor.detach().clone() for tensor in now]
        else:
            torch._foreach_lerp_(self._means, now, self._weight())
        self.count += 1

    @contextmanager
    def worn(self, refresh: Callable[[], None] | None = None) -> Iterator[None]:
        """Let the model wear the averaged weights; those in training come back at the end.

        `refresh` is called where statistics of batch norms have to be measured anew.
        """
        if not self.begun:
            yield
            return
        own = self._floats()
        kept = [tensor.clone() for tensor in own]
        try:
            _write(own, self._means)
            if refresh is not None and self.begin is not None and has_statistics(self.model):
                refresh()
            yield
        finally:
            _write(own, kept)

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint has to hold."""
        return {"count": self.count, "means": self._means}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.count = int(state["count"])
        # in the memory layout of the model, which a file does not keep in every case
        pairs = zip(self._floats(), state["means"], strict=False)
        self._means = [torch.empty_like(own).copy_(mean) for own, mean in pairs]

    def _weight(self) -> float:
        if self.decay is None:
            return 1 / (self.count + 1)
        return 1 - min(self.decay, (1 + self.count) / (10 + self.count))

    def _floats(self) -> list[Tensor]:
        """Give all that can be averaged: parameters and buffers that are not whole numbers."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return [tensor for tensor in tensors if tensor.is_floating_point()]


def has_statistics(model: nn.Module) -> bool:
    """Whether a module keeps running means of what passes it."""
    return any(isinstance(m, _NORMS) and m.track_running_stats for m in model.modules())


@contextmanager
def measuring_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms forget their statistics, and take plain means of what passes meanwhile.

    All other modules behave as in evaluation.
    """
    norms = [m for m in model.modules() if isinstance(m, _NORMS) and m.track_running_stats]
    modes = {module: module.training for module in model.modules()}
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode


@torch.no_grad()
def _write(into: list[Tensor], values: list[Tensor]) -> None:
    torch._foreach_copy_(into, values)
