"""Exact rewrites of a built model, checked on a batch, and undone after training."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def rewritten(model: nn.Module, example: Inputs) -> Iterator[dict[str, int]]:
    """Rewrite the model's `nn.Sequential`s in place for as long as the context lasts.

    - ReLU before max pooling becomes max pooling before ReLU: the same numbers and gradients,
      with a quarter of the values to pass through ReLU for 2x2 windows.
    - ReLU after a layer whose output nobody else needs works in place.

    Only modules of exactly these types without hooks are touched, and no key of the state dict
    changes. The rewritten model must give bit for bit the same outputs on `example`, and the same
    gradients, else all is left as it was. Yields how often each rewrite was made.
    """
    changes = _changes(model)
    if changes and not _equal_after(changes, model, example):
        changes = []
    originals = [(chain, dict(chain._modules)) for chain, _ in changes]
    for chain, layers in changes:
        _put(chain, layers)
    try:
        yield _counted(originals, changes)
    finally:
        for chain, modules in originals:
            chain._modules.update(modules)


def _changes(model: nn.Module) -> list[tuple[nn.Sequential, list[nn.Module]]]:
    """Give each chain to change with its new layers, in order."""
    found = []
    for module in model.modules():
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            old = list(module)
            new = _reordered(old)
            if any(a is not b for a, b in zip(old, new, strict=True)):
                found.append((module, new))
    return found


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


def _put(chain: nn.Sequential, layers: list[nn.Module]) -> None:
    chain._modules.update(zip(list(chain._modules), layers, strict=True))


def _counted(
    originals: list[tuple[nn.Sequential, dict[str, Any]]],
    changes: list[tuple[nn.Sequential, list[nn.Module]]],
) -> dict[str, int]:
    pooled = overwriting = 0
    for (_, old), (_, new) in zip(originals, changes, strict=True):
        for before, after in zip(old.values(), new, strict=True):
            pooled += type(before) is nn.ReLU and type(after) in _POOLS
            overwriting += type(after) is nn.ReLU and after is not before
    return {"pool_before_relu": pooled, "relu_in_place": overwriting}


def _equal_after(
    changes: list[tuple[nn.Sequential, list[nn.Module]]], model: nn.Module, example: Inputs
) -> bool:
    """Compare outputs and gradients of two copies, one of them rewritten."""
    places = {id(module): name for name, module in model.named_modules(remove_duplicate=False)}
    plain, other = copy.deepcopy(model), copy.deepcopy(model)
    for chain, _ in changes:
        twin = other.get_submodule(places[id(chain)])
        assert isinstance(twin, nn.Sequential)
        _put(twin, _reordered(list(twin)))
    try:
        outputs, gradients = _trial_run(plain, example)
        same, close = _trial_run(other, example)
    except RuntimeError:  # an in-place change that autograd refuses, or a model that cannot run
        return False
    return len(outputs) == len(same) and all(
        [torch.equal(a, b) for a, b in zip(outputs, same, strict=True)]
        + [torch.allclose(a, b, rtol=1e-4) for a, b in zip(gradients, close, strict=True)]
    )


def _trial_run(model: nn.Module, example: Inputs) -> tuple[list[Tensor], list[Tensor]]:
    torch.manual_seed(0)
    outputs = [out for _, out in leaves(call_model(model.train(), example))]
    total = sum((out.float().square().mean() for out in outputs), torch.zeros(()))
    total.backward()
    return outputs, [p.grad for p in model.parameters() if p.grad is not None]
