"""naswot: how different the activation patterns of different samples are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from archloom.zerocost._probe import Probe
from archloom.zerocost._score import NO_SCORE

_ACTIVATIONS = frozenset(
    (
        *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "rrelu_"),
        *("elu", "elu_", "celu", "celu_", "selu", "selu_", "gelu", "silu", "mish"),
        *("hardswish", "hardtanh", "hardtanh_", "tanh", "tanh_", "threshold", "threshold_"),
    )
)


def naswot(probe: Probe) -> float:
    """Logarithm of the determinant of the kernel of activation patterns.

    Entry (i, j) of the kernel counts the units that are on for both samples or off for both; a
    unit is an element of the input of a ReLU, on where it is above 0. Mellor et al., "Neural
    Architecture Search without Training" (arXiv 2006.04647v3, equations 1 and 2; NASLib calls it
    nwot). Activations in code count as those in modules do, and so do tanh and those that are ReLU
    with rounder edges: GELU, SiLU, ELU and the like. Values of different minibatch sizes cannot be
    compared.

    >>> from torch import nn
    >>> batch = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> probe = Probe(nn.ReLU(), batch, torch.zeros(2), lambda y, _: y.sum())
    >>> round(naswot(probe), 9)  # the kernel is [[2, 0], [0, 2]]
    1.386294361
    """
    with torch.no_grad(), _counted(len(probe.targets)) as kernel:
        probe.call(probe.inputs)
    return log_determinant(kernel)


def log_determinant(kernel: Tensor) -> float:
    """Give log |det|, `NO_SCORE` for a singular matrix."""
    _, value = torch.linalg.slogdet(kernel.cpu())
    return float(value) if math.isfinite(value) else NO_SCORE


@contextmanager
def _counted(samples: int) -> Iterator[Tensor]:
    """Give the kernel matrix of all activations that run while the context lasts."""
    kernel = torch.zeros(samples, samples, dtype=torch.double)

    class Patterns(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if getattr(func, "__name__", "") in _ACTIVATIONS:
                value = args[0] if args else kwargs["input"]
                if value.shape[:1] == (samples,):
                    kernel.add_(_agreements(value.detach()).cpu())
            return func(*args, **(kwargs or {}))

    with Patterns():
        yield kernel


def _agreements(value: Tensor) -> Tensor:
    """Count for each pair of samples the units that are on in both or off in both.

    With x in {-1, 1}: the agreements are (units + x x^T) / 2.
    """
    signs = torch.where(value.flatten(1) > 0, 1.0, -1.0)
    return (signs @ signs.T).double().add_(signs.shape[1]).div_(2)
