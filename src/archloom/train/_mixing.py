"""Mix samples of a batch in pairs, and their losses with them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from archloom.task import Inputs, leaves, map_tensors
from archloom.train._batch import Batch

_ALPHA = 0.4  # of mixup at full strength; Zhang et al. use 0.1 to 0.4

MIXING = ("mixup", "cutmix")


def mixed(batch: Batch, ops: tuple[str, ...], strength: float, generator: torch.Generator) -> Batch:
    """Give the batch mixed with its samples in other places.

    `mixup` blends the inputs (Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization);
    `cutmix` puts a box of the partner into images, volumes and series (Yun et al. 2019, CutMix),
    with a chance of `strength`. Of both, one is drawn for each batch. Whole numbers (categories,
    tokens) cannot be blended: each comes from either partner.
    """
    wanted = [op for op in MIXING if op in ops]
    if not wanted or len(batch) < 2 or not strength:
        return batch
    op = wanted[int(torch.randint(len(wanted), (), generator=generator))]
    # a seed from the generator: torch draws no beta distributed numbers with a generator
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    spatial = all(tensor.ndim > 2 for _, tensor in leaves(batch.inputs))
    if op == "cutmix" and spatial:
        return _cut(batch, rng) if rng.random() < strength else batch
    weight = float(rng.beta(_ALPHA * strength, _ALPHA * strength))
    return _blended(batch, weight, generator)


def _partner(tensor: Tensor) -> Tensor:
    return tensor.roll(1, 0)  # batches are shuffled: the neighbour is as good as any


def _paired(batch: Batch, inputs: Inputs, weight: float) -> Batch:
    soft = None if batch.soft is None else _partner(batch.soft)
    other = Batch(batch.inputs, _partner(batch.targets), soft)
    return replace(batch, inputs=inputs, other=other, weight=weight)


def _blended(batch: Batch, weight: float, generator: torch.Generator) -> Batch:
    def blend(tensor: Tensor) -> Tensor:
        partner = _partner(tensor)
        if tensor.is_floating_point():
            return torch.lerp(partner, tensor, weight)
        own = torch.rand(tensor.shape, generator=generator) < weight
        return torch.where(own.to(tensor.device), tensor, partner)

    return _paired(batch, map_tensors(blend, batch.inputs), weight)


def _cut(batch: Batch, rng: np.random.Generator) -> Batch:
    """Put a box into all samples, at the same place of each input relative to its size."""
    area = float(rng.random())
    axes = max(tensor.ndim - 2 for _, tensor in leaves(batch.inputs))
    side = area ** (1 / axes)
    middles = [float(m) for m in rng.random(axes)]
    shares = []

    def paste(tensor: Tensor) -> Tensor:
        box = [
            slice(max(0, round((m - side / 2) * n)), min(n, round((m + side / 2) * n)))
            for m, n in zip(middles, tensor.shape[2:], strict=False)
        ]
        place = (slice(None), slice(None), *box)
        covered = math.prod(max(0, part.stop - part.start) for part in box)
        shares.append(covered / math.prod(tensor.shape[2:]))
        pasted = tensor.clone()
        pasted[place] = _partner(tensor[place])
        return pasted

    inputs = map_tensors(paste, batch.inputs)
    return _paired(batch, inputs, 1 - sum(shares) / len(shares))
