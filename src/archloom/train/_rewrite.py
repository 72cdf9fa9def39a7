"""Exact rewrites of a built model, checked on a batch, and undone after training."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn

from archloom.task import Inputs, call_model, leaves

_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)

# their backward passes need their inputs, not their outputs, which may thus be overwritten
_OVERWRITABLE = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    *_POOLS,
)


@dataclass(frozen=True)
class _Slot:
    """A place in a chain where a module stands, and what stands there now."""

    chain: nn.Sequential
    key: str
    module: nn.Module

    def put(self, module: nn.Module) -> None:
        self.chain._modules[self.key] = module


@contextmanager
def rewritten(model: nn.Module, example: Inputs) -> Iterator[dict[str, int]]:
    """Rewrite the model's `nn.Sequential`s in place for as long as the context lasts.

    - ReLU before max pooling becomes max pooling before ReLU: the same numbers and gradients,
      with a quarter of the values to pass through ReLU for 2x2 windows.
    - ReLU after a layer whose output nobody else needs works in place.

    Only modules of exactly these types without hooks are touched, and no key of the state dict
    changes. The rewritten model must give bit for bit the same outputs on `example`, and the same
    gradients, else all is left as it was. Yields how often each rewrite was made.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> with rewritten(model, torch.randn(2, 1, 8, 8)) as done:
    ...     done, model[1]
    ...     # doctest: +ELLIPSIS
    ({'pool_before_relu': 1, 'relu_in_place': 1}, MaxPool2d(kernel_size=2, ...))
    """
    changes = _changes(model)
    if changes and not _equal_after(model, example):
        changes = []
    for slot, module in changes:
        slot.put(module)
    try:
        yield {
            "pool_before_relu": sum(type(module) in _POOLS for _, module in changes),
            "relu_in_place": sum(type(module) is nn.ReLU for _, module in changes),
        }
    finally:
        for slot, _ in changes:
            slot.put(slot.module)


def _changes(model: nn.Module) -> list[tuple[_Slot, nn.Module]]:
    """Give each place where another module shall stand, with that module."""
    found: list[tuple[_Slot, nn.Module]] = []
    seen: set[int] = set()
    for module in model.modules():
        if _is_chain(module) and id(module) not in seen:
            slots = list(_slots(module, seen))
            new = _reordered([slot.module for slot in slots])
            pairs = zip(slots, new, strict=True)
            found += [(slot, module) for slot, module in pairs if module is not slot.module]
    return found


def _slots(chain: nn.Module, seen: set[int]) -> Iterator[_Slot]:
    """Walk a chain and the chains inside it, in the order in which they run."""
    assert isinstance(chain, nn.Sequential)
    seen.add(id(chain))
    for key, module in chain._modules.items():
        if _is_chain(module):
            yield from _slots(module, seen)
        elif module is not None:
            yield _Slot(chain, key, module)


def _is_chain(module: nn.Module | None) -> TypeGuard[nn.Sequential]:
    plain = isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
    return plain and module is not None and not _hooked(module)


def _reordered(layers: list[nn.Module]) -> list[nn.Module]:
    new = list(layers)
    for i in range(len(new) - 1):
        if _plain(new[i], nn.ReLU) and _plain(new[i + 1], *_POOLS) and not _indices(new[i + 1]):
            new[i], new[i + 1] = new[i + 1], new[i]
    for i in range(1, len(new)):
        after = type(new[i - 1]) in _OVERWRITABLE and not _hooked(new[i - 1])
        if after and _plain(new[i], nn.ReLU) and not new[i].inplace:
            new[i] = nn.ReLU(inplace=True).train(new[i].training)
    return new


def _plain(module: nn.Module, *types: type[nn.Module]) -> bool:
    return type(module) in types and not _hooked(module)


def _hooked(module: nn.Module) -> bool:
    return any(
        getattr(module, name)
        for name in (
            "_forward_hooks",
            "_forward_pre_hooks",
            "_backward_hooks",
            "_backward_pre_hooks",
        )
    )


def _indices(pool: nn.Module) -> bool:
    return bool(getattr(pool, "return_indices", False))


def _equal_after(model: nn.Module, example: Inputs) -> bool:
    """Compare outputs and gradients of two copies, one of them rewritten."""
    plain, other = copy.deepcopy(model), copy.deepcopy(model)
    for slot, module in _changes(other):
        slot.put(module)
    try:
        outputs, gradients = _trial_run(plain, example)
        same, close = _trial_run(other, example)
    except RuntimeError:  # an in-place change that autograd refuses, or a model that cannot run
        return False
    return (len(outputs), len(gradients)) == (len(same), len(close)) and all(
        [torch.equal(a, b) for a, b in zip(outputs, same, strict=True)]
        + [torch.allclose(a, b, rtol=1e-4) for a, b in zip(gradients, close, strict=True)]
    )


def _trial_run(model: nn.Module, example: Inputs) -> tuple[list[Tensor], list[Tensor]]:
    torch.manual_seed(0)
    outputs = [out for _, out in leaves(call_model(model.train(), example))]
    total = sum((out.float().square().mean() for out in outputs), torch.zeros(()))
    total.backward()
    return outputs, [p.grad for p in model.parameters() if p.grad is not None]
