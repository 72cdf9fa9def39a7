"""synflow: how much flows through all paths."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from archloom.task import Inputs, leaves, map_tensors
from archloom.zerocost._probe import Probe, hooked
from archloom.zerocost._score import NO_SCORE

_NORMS = (
    *(nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm),
    *(nn.GroupNorm, nn.LayerNorm),
)


def synflow(probe: Probe) -> float:
    """Logarithm of the synaptic flow: the sum of |weight times gradient of R|, without data.

    R is the sum of the outputs for an input of ones, every parameter replaced by its absolute
    value and every normalisation left out: Tanaka et al., "Pruning neural networks without any
    data by iteratively conserving synaptic flow" (arXiv 2006.05467, equation 4), summed as in arXiv
    2101.08134, equation 2. It is computed in double precision, and the logarithm is taken since
    the flow grows exponentially with depth (NAS-Bench-Suite-Zero reports it, too). Tokens are all
    token 1.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = model.weight.data.copy_(torch.tensor([[-3.0, 4.0]]))
    >>> probe = Probe(model, torch.ones(1, 2), torch.zeros(1), lambda y, _: y.sum())
    >>> round(math.exp(synflow(probe)), 9)
    7.0
    """
    model, state = probe.model, _absolute(probe.model)
    weights = [tensor for tensor in state.values() if tensor.requires_grad and tensor.ndim > 1]
    norms = [module for module in model.modules() if isinstance(module, _NORMS)]
    training = {norm: norm.training for norm in norms}
    try:
        for norm in norms:
            norm.eval()  # a batch of one sample has no statistics
        with hooked(norms, lambda _, given, __: given[0]):
            outputs = probe.call(_ones(probe), state)
    finally:
        for norm, was in training.items():
            norm.training = was
    flow = sum((leaf.sum() for _, leaf in leaves(outputs)), torch.zeros((), dtype=torch.double))
    return _log(_conserved(flow, weights))


def _absolute(model: nn.Module) -> dict[str, Tensor]:
    """Give parameters and buffers by name, as absolute values in double precision."""
    parameters = {name: p.detach().double().abs() for name, p in model.named_parameters()}
    for tensor in parameters.values():
        tensor.requires_grad_()
    buffers = {
        name: b.double().abs() if b.is_floating_point() else b for name, b in model.named_buffers()
    }
    return {**parameters, **buffers}


def _ones(probe: Probe) -> Inputs:
    def ones(tensor: Tensor) -> Tensor:
        dtype = torch.double if tensor.is_floating_point() else tensor.dtype
        return torch.ones_like(tensor[:1], dtype=dtype)

    inputs: Any = map_tensors(ones, probe.inputs)
    return inputs  # type: ignore[no-any-return]


def _conserved(flow: Tensor, weights: list[Tensor]) -> float:
    if not flow.requires_grad or not weights:
        return 0.0
    found = torch.autograd.grad(flow, weights, allow_unused=True)
    pairs = zip(weights, found, strict=True)
    return sum(float((weight * g).detach().abs().sum()) for weight, g in pairs if g is not None)


def _log(value: float) -> float:
    return math.log(value) if 0 < value < math.inf else NO_SCORE
