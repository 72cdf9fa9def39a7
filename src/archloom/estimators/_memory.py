"""The memory that a forward pass holds at its peak."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from archloom.task import Inputs, call_model


def peak_activations(model: nn.Module, inputs: Inputs) -> int:
    """Give the bytes of the activations that live at once, at most, in a forward pass.

    Counted are the inputs and all that operations give, without gradients, for as long as the
    forward pass holds on to it; views and results in place count once. Not counted are weights
    and buffers, and the workspace inside an operation. It works on the meta device.

    >>> layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> peak_activations(layers, torch.zeros(1, 8)) == 4 * (8 + 16 + 16)
    True
    """
    own = {_cdata(tensor) for tensor in (*model.parameters(), *model.buffers())}
    was_training = model.training
    model.eval()
    with torch.no_grad(), _Live(own) as live:
        live.note(inputs)
        call_model(model, inputs)
    model.train(was_training)
    peak: int = live.peak
    return peak


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that are alive after each operation."""

    def __init__(self, ignored: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ignored = ignored
        self._alive: dict[int, tuple[Any, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.note(result)
        return result

    def note(self, result: Any) -> None:
        """Take in what an operation gave, and drop what nobody holds any more."""
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _cdata(leaf) not in self._ignored:
                storage = leaf.untyped_storage()
                weak: Any = StorageWeakRef
                self._alive[storage._cdata] = weak(storage), storage.nbytes()
        self._alive = {k: kept for k, kept in self._alive.items() if not kept[0].expired()}
        self.peak = max(self.peak, sum(nbytes for _, nbytes in self._alive.values()))


def _cdata(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
