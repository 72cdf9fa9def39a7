"""Begin a training with the weights of another architecture's model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from archloom.nn import Kin
from archloom.task import Inputs
from archloom.train._net2net import grow

How: TypeAlias = "Literal['overlap', 'net2net']"


@dataclass(frozen=True)
class Inheritance:
    """What a model got from its parent.

    `share` is that of its parameters' numbers. `preserved` says whether it computes what the
    parent computes, as measured on the inputs, None where that was not asked for.
    """

    share: float
    preserved: bool | None = None


def inherit(
    child: nn.Module,
    parent: nn.Module,
    kin: Kin,
    how: How = "overlap",
    *,
    inputs: Inputs | None = None,
    noise: float = 0.01,
    seed: int = 0,
) -> Inheritance:
    """Give a model the weights of its parent where the change of the architecture allows.

    "overlap" copies where the two correspond: of weights of different shape the part that both
    have, the first channels and the middle of a kernel. What the parent does not have keeps its
    fresh weights. "net2net" begins likewise and then, after Chen, Goodfellow and Shlens, "Net2Net:
    Accelerating Learning via Knowledge Transfer" (ICLR 2016, arXiv 1511.05641), makes the child
    compute what the parent computes: further channels repeat others, whose outgoing weights are
    divided (section 2.2, equations of Net2WiderNet); bodies that a greater depth adds become the
    identity (section 2.3, Net2DeeperNet), residual ones by a last layer of zeros; greater kernels
    have zeros around the old one. Where a change does not allow it (fewer channels or layers,
    another operation, a sigmoid after the new layer, models that `torch.fx` cannot trace) what
    "overlap" gives stays, and `preserved` is False.

    As in the paper, noise is then added to the copies of channels, so that they learn different
    things: with a standard deviation of `noise` times that of the layer's weights.

    Args:
        child: the model, changed in place.
        parent: the parent's model, with its trained weights.
        kin: what corresponds, as `archloom.nn.kin` gives it.
        how: "overlap" or "net2net".
        inputs: a batch, which "net2net" needs: to see what batch norms in new layers have to undo,
            and to compare both models.
        noise: 0 for none.
        seed: of the noise.

    >>> from archloom import Architecture
    >>> from archloom.nn import kin, model_space
    >>> @model_space
    ... def net(pick):
    ...     width = pick.value("width", [4, 6])
    ...     return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
    >>> old, new = Architecture({"width": 4}), Architecture({"width": 6})
    >>> parent, child = net.build(old), net.build(new)
    >>> x = torch.randn(8, 3)
    >>> inherit(child, parent, kin(net, new, old), "net2net", inputs=x, noise=0)
    Inheritance(share=1.0, preserved=True)
    >>> torch.allclose(child(x), parent(x), atol=1e-5)
    True
    """
    taken = overlap(child, parent, kin.pairs)
    if how == "overlap" or inputs is None:
        return Inheritance(_share(child, taken))
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    grown = grow(child, parent, kin, inputs, noise=noise, seed=seed)
    if not grown:
        child.load_state_dict(before)
        return Inheritance(_share(child, taken), preserved=False)
    everything = {name: parameter.numel() for name, parameter in child.named_parameters()}
    return Inheritance(_share(child, everything), preserved=True)


@torch.no_grad()
def overlap(child: nn.Module, parent: nn.Module, pairs: Mapping[str, str]) -> dict[str, int]:
    """Copy what two models have in common; give how many numbers of each tensor were copied."""
    mine, theirs = dict(child.named_modules()), dict(parent.named_modules())
    taken: dict[str, int] = {}
    for name, other in pairs.items():
        one, two = mine[name], theirs[other]
        if type(one) is not type(two):
            continue
        sources = {**two._parameters, **two._buffers}
        for key, target in {**one._parameters, **one._buffers}.items():
            source = sources.get(key)
            if target is None or source is None or target.dim() != source.dim():
                continue
            into, out_of = _common(target, source)
            target.data[into] = source.data[out_of].to(target.device, target.dtype)
            taken[f"{name}.{key}" if name else key] = target[into].numel()
    return taken


def _common(target: Tensor, source: Tensor) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Give the slices that both tensors have: first channels, the middle of kernels."""
    into: list[slice] = []
    out_of: list[slice] = []
    for dim, (new, old) in enumerate(zip(target.shape, source.shape, strict=True)):
        size = min(new, old)
        first, other = ((new - size) // 2, (old - size) // 2) if dim >= 2 else (0, 0)
        into.append(slice(first, first + size))
        out_of.append(slice(other, other + size))
    return tuple(into), tuple(out_of)


def _share(child: nn.Module, taken: Mapping[str, int]) -> float:
    names = dict(child.named_parameters())
    total = sum(parameter.numel() for parameter in names.values())
    return sum(taken.get(name, 0) for name in names) / total if total else 1.0
