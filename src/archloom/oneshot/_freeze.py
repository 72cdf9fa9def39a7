"""Freeze the scales of batch norms inside options."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from archloom.nn._mixed import Mixed

NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def freeze_affine(supernet: nn.Module) -> int:
    """Hold scale and shift of the batch norms inside options at 1 and 0; give how many there are.

    Otherwise an option could make up for a small weight by a large scale (DARTS, arXiv
    1806.09055, section 3.1.1: no learnable affine parameters during the search).
    """
    found = {
        id(norm): norm
        for mixed in supernet.modules()
        if isinstance(mixed, Mixed)
        for norm in mixed.modules()
        if isinstance(norm, NORMS) and norm.affine
    }
    for norm in found.values():
        norm.weight.fill_(1.0).requires_grad_(False)
        norm.bias.fill_(0.0).requires_grad_(False)
    return len(found)
