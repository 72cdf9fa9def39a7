"""A trained model on raw inputs: outputs in natural units, in batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from archloom.task import Inputs, Mixed, Numbers, Target, call_model, leaves, map_tensors

_BATCH = 256
_VALUES = 1 << 22  # numbers a batch may hold: 16 MiB as float32


def scales(target: Target) -> tuple[Tensor, Tensor]:
    """Give what outputs are multiplied with, and what is added, to be in natural units.

    Columns that are no numbers stay as they are.
    """
    if isinstance(target, Numbers) and target.mean:
        return torch.tensor(target.std), torch.tensor(target.mean)
    if isinstance(target, Mixed):
        pairs = [scales(part) for part in target.parts.values()]
        return torch.cat([scale for scale, _ in pairs]), torch.cat([shift for _, shift in pairs])
    return torch.ones(target.outputs), torch.zeros(target.outputs)


def as_learnt(outputs: Tensor, target: Target) -> Tensor:
    """Give outputs in natural units as the target's loss and metrics take them.

    >>> target = Numbers(("price",), mean=(100.0,), std=(20.0,))
    >>> as_learnt(torch.tensor([[110.0]]), target)
    tensor([[0.5000]])
    """
    scale, shift = scales(target)
    return (outputs - shift) / scale


def outputs_of(model: nn.Module, inputs: Inputs, device: torch.device | str = "cpu") -> Tensor:
    """Give the model's outputs for many samples, in eval mode, without gradients, on the CPU.

    >>> outputs_of(nn.Linear(3, 2), torch.zeros(1000, 3)).shape
    torch.Size([1000, 2])
    """
    members: list[Tensor] = [tensor for _, tensor in leaves(inputs)]
    widest = max(tensor[:1].numel() for tensor in members)
    step = max(1, min(_BATCH, _VALUES // max(widest, 1)))
    model = model.to(device).eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(members[0]), step):
            batch = map_tensors(lambda t, at=start: t[at : at + step].to(device), inputs)
            parts.append(call_model(model, batch).float().cpu())
    model.to("cpu")
    return torch.cat(parts)


def finished(outputs: Tensor, target: Target) -> np.ndarray:
    """Give outputs in natural units as what users read: probabilities, or the numbers; float64."""
    values = target.finish(as_learnt(outputs.double(), target))
    return np.asarray(values.double())
