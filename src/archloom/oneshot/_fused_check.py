"""Whether fused choices give the numbers of the plain ones, on small batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from archloom.nn._mixed import Mixed
from archloom.oneshot._fused_fan import Fan
from archloom.oneshot._fused_plan import edge_of

_TOLERANCE = 1e-3  # of the largest number of a tensor; rounding is a hundred times less
_ROUNDING = 1e-5
_SAMPLES, _SIZES = 2, (12, 7)


def same_numbers(mixeds: Sequence[Mixed]) -> bool:
    """Compare outputs, gradients and statistics of copies of choices that read the same map.

    The global random state is left as it was.
    """
    pairs = [copy.deepcopy(list(mixeds)) for _ in range(2)]
    for mixed in (mixed for pair in pairs for mixed in pair):
        mixed.train()
    plain, other = pairs
    edges = [edge for edge in map(edge_of, other) if edge is not None]
    fan = Fan(edges)

    def usual(x: Tensor, weights: Tensor) -> list[Tensor]:
        pairs = zip(plain, weights.unbind(0), strict=True)
        return [mixed.blend(mixed.names, own.unbind(0), (x,), {}) for mixed, own in pairs]

    like = next(plain[0].parameters())
    for size in _SIZES:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x = torch.randn(_SAMPLES, edges[0].channels[0], size, size).to(like)
            weights = torch.rand(len(plain), len(plain[0].names)).to(like)
        try:
            expected = _numbers(usual, x, weights, plain)
            found = _numbers(fan, x, weights, other)
        except RuntimeError:  # a kernel that this build of torch refuses
            return False
        largest = max(float(tensor.abs().max()) for tensor in expected)
        if not all(_close(a, b, largest) for a, b in zip(expected, found, strict=True)):
            return False
    return True


def _numbers(
    run: Callable[[Tensor, Tensor], Sequence[Tensor]],
    x: Tensor,
    weights: Tensor,
    mixeds: Sequence[Mixed],
) -> list[Tensor]:
    """Give outputs, gradients, and running statistics."""
    inputs = [x.clone().requires_grad_(), weights.clone().requires_grad_()]
    modules = nn.ModuleList(mixeds)
    wanted = inputs + [p for p in modules.parameters() if p.requires_grad]
    with torch.enable_grad():
        outputs = list(run(inputs[0], inputs[1]))
        slopes = [torch.linspace(-1, 1, out.numel()).view_as(out).to(x.device) for out in outputs]
        found = torch.autograd.grad(outputs, wanted, slopes, allow_unused=True)
    gradients = [torch.zeros(1) if slope is None else slope for slope in found]
    return [*(out.detach() for out in outputs), *gradients, *modules.buffers()]


def _close(one: Tensor, other: Tensor, largest: float) -> bool:
    """Compare two tensors, one of which may be nothing but rounding errors of larger ones."""
    if one.shape != other.shape:
        return False
    bound = _TOLERANCE * float(one.abs().max()) + _ROUNDING * largest
    return float((one - other).abs().max()) <= bound
