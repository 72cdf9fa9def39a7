"""What the tests of several spaces do with a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from archloom.nn import ModelSpace


def count(model: nn.Module) -> int:
    """How many parameters a model has."""
    return sum(weight.numel() for weight in model.parameters())


def call(model: nn.Module, example: Any) -> Tensor:
    """Call a model as its example says."""
    return model(**example) if isinstance(example, dict) else model(example)


def multiply_adds(model: nn.Module, *shape: int) -> float:
    """Of one sample of that shape."""
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops() / 2


def noise(example: Any, samples: int = 8) -> Any:
    """A batch like the example: random numbers, and ones where it has whole numbers."""
    generator = torch.Generator().manual_seed(0)

    def like(x: Tensor) -> Tensor:
        shape = (samples, *x.shape[1:])
        if x.dtype == torch.int64:
            return torch.ones(shape, dtype=torch.int64)
        return torch.randn(shape, generator=generator)

    return pytree.tree_map(like, example)


def check_gradients(space: ModelSpace, example: Any, samples: int = 4) -> None:
    """Every weight of drawn members is reached by a gradient within two steps.

    One step is not enough: behind a branch that begins at zero nothing is felt in the first.
    """
    rng = np.random.default_rng(0)
    batch = noise(example)
    for _ in range(samples):
        torch.manual_seed(0)
        model = space.build(space.space.sample(rng)).train()
        still = {name for name, _ in model.named_parameters()}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            call(model, batch).square().sum().sqrt().backward()
            for name, weight in model.named_parameters():
                assert weight.grad is not None, name
                assert torch.isfinite(weight.grad).all(), name
                if weight.grad.abs().sum() > 0:
                    still.discard(name)
            optimizer.step()
        assert not still


def trained(
    model: nn.Module,
    inputs: Any,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    lr: float = 3e-3,
) -> nn.Module:
    """Train on batches of 64, and give the model ready for use."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=lr)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        index = torch.randint(0, len(targets), (64,), generator=generator)
        optimizer.zero_grad()
        loss(call(model, pytree.tree_map(lambda x: x[index], inputs)), targets[index]).backward()  # noqa: B023
        optimizer.step()
    return model.eval()
