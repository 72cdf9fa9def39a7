"""zen: how strongly the network reacts to a small change of its input."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from archloom.task import leaves, map_tensors
from archloom.zerocost._probe import LAYERS, Probe, hooked
from archloom.zerocost._score import NO_SCORE

_STEP = 0.01
_POOLS = (
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_NORMALISERS = (*_BATCH_NORMS, nn.GroupNorm, nn.LayerNorm)


def zen(probe: Probe) -> float:
    """Expressivity: log of the change of the features, scaled back by each batch normalisation.

    Weights and inputs are Gaussian noise. The change is the mean over the samples of the sum of
    |f(x) - f(x + 0.01 e)| over the features before the global pooling (before the last fully
    connected layer where there is none); each batch normalisation adds the log of its mean
    standard deviation. Lin et al., "Zen-NAS" (arXiv 2102.01063, algorithm 1; the sum of absolute
    values in place of a Frobenius norm is the authors' code). Needs no data. In place of tokens the
    outputs of the embeddings are noise.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> probe = Probe(model, torch.ones(8, 2), torch.zeros(8), lambda y, _: y.sum())
    >>> zen(probe) < 0  # the features of a single layer are its inputs: 2 * 0.01 * |e|
    True
    """
    state = _gaussian(probe)
    scales: list[float] = []
    with torch.no_grad():
        still = _features(probe, state, 0.0, scales)
        moved = _features(probe, state, _STEP, [])
    change = float((still - moved).abs().flatten(1).sum(1).mean())
    if not 0 < change < math.inf or not all(map(math.isfinite, scales)):
        return NO_SCORE
    return math.log(change) + sum(math.log(scale) for scale in scales)


def _gaussian(probe: Probe) -> dict[str, Tensor]:
    """Give parameters by name: noise as weights, no biases, normalisations without effect."""
    generator = torch.Generator().manual_seed(probe.seed)
    state: dict[str, Tensor] = {}
    for name, module in probe.model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        normal = isinstance(module, _NORMALISERS)
        if not normal and not isinstance(module, LAYERS):
            continue
        for kind, value in own.items():
            if kind == "bias":
                new = torch.zeros_like(value)
            else:
                new = torch.ones_like(value) if normal else _noise(value, generator)
            state[f"{name}.{kind}" if name else kind] = new
    return state


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Give noise of the same shape, drawn on the CPU, so that a device makes no difference."""
    return torch.randn(like.shape, generator=generator).to(like.device)


def _features(probe: Probe, state: dict[str, Tensor], step: float, scales: list[float]) -> Tensor:
    """Give the features for noise that is moved by `step`; collect the standard deviations."""
    generator = torch.Generator().manual_seed(probe.seed + 1)

    def moved(like: Tensor) -> Tensor:
        return _noise(like, generator) + step * _noise(like, generator)

    def keep(module: nn.Module, given: Any, _: Any) -> None:
        seen.setdefault("pool", given[0])

    inputs = map_tensors(lambda t: moved(t) if t.is_floating_point() else t, probe.inputs)
    seen: dict[str, Tensor] = {}
    kinds = {kind: _of(probe.model, kind) for kind in (_POOLS, (nn.Linear,), _BATCH_NORMS)}
    embeddings = _of(probe.model, (nn.Embedding,))
    with (
        hooked(kinds[_POOLS], keep),
        hooked(kinds[(nn.Linear,)], lambda _, given, __: seen.update(linear=given[0])),
        hooked(kinds[_BATCH_NORMS], lambda _, given, __: scales.extend(_scale(given[0]))),
        hooked(embeddings, lambda _, __, output: moved(output)),
    ):
        outputs = probe.call(inputs, state)
    if "pool" in seen:
        return seen["pool"]
    last: Tensor = leaves(outputs)[0][1]
    return seen.get("linear", last)


def _of(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kinds)]


def _scale(given: Tensor) -> list[float]:
    """Give the root of the mean variance of the channels; nothing for zeros, which no path met."""
    deviation = float(given.transpose(0, 1).flatten(1).var(1).mean().sqrt())
    return [deviation] if deviation else []
