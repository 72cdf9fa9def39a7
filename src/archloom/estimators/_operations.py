"""The single operations of a forward pass: which there are, and how long one takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from archloom.task import Inputs, call_model

_WARM_UP: Final = 3
_CALLS: Final = 5  # in a row, which is how a forward pass makes them
_FREE: Final = ("detach", "alias", "_unsafe_view", "view", "t", "expand", "empty")


def operations(model: nn.Module, inputs: Inputs) -> list[str]:
    """Give the operations of a forward pass as texts, in order; equal texts take equally long.

    A text is JSON: the operation's name and its arguments, of tensors shape, strides and type.
    It works on the meta device.
    """
    model.eval()
    with torch.no_grad(), _Listing() as listing:
        call_model(model, inputs)
    texts: list[str] = listing.texts
    return texts


def seconds_of(operation: str, device: torch.device, repeats: int) -> Iterator[float]:
    """Run an operation on random numbers and give the seconds that a call took, `repeats` times."""
    name, args, kwargs = json.loads(operation)
    overload = _found(name)
    args, kwargs = _alive(args, device), _alive(kwargs, device)
    with torch.inference_mode():
        for _ in range(_WARM_UP):
            overload(*args, **kwargs)
        for _ in range(repeats):
            _wait(device)
            began = time.perf_counter()
            for _ in range(_CALLS):
                overload(*args, **kwargs)
            _wait(device)
            yield (time.perf_counter() - began) / _CALLS


class _Listing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operation that takes time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.texts: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::").partition(".")[0]
        if name not in _FREE:
            said = tree_map(_text, [func.name(), list(args), dict(kwargs or {})])
            self.texts.append(json.dumps(said, separators=(",", ":")))
        return func(*args, **(kwargs or {}))


def _text(value: Any) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": [list(value.shape), list(value.stride()), str(value.dtype)[6:]]}
    if isinstance(value, torch.dtype | torch.device | torch.layout | torch.memory_format):
        return {type(value).__name__: str(value).removeprefix("torch.")}
    return value


def _alive(value: Any, device: torch.device) -> Any:
    """Give an argument back from its text, tensors filled with numbers above 0."""
    match value:
        case {"tensor": [shape, stride, dtype]}:
            return _filled(shape, stride, getattr(torch, dtype), device)
        case {"device": _}:
            return device
        case {"dtype": name} | {"layout": name} | {"memory_format": name}:
            return getattr(torch, name)
        case dict():
            return {key: _alive(item, device) for key, item in value.items()}
        case list():
            return [_alive(item, device) for item in value]
    return value


def _filled(
    shape: list[int], stride: list[int], dtype: torch.dtype, device: torch.device
) -> Tensor:
    tensor = torch.empty_strided(shape, stride, dtype=dtype, device=device)
    if 0 in stride:  # expanded: its memory is shared, and cannot be written to
        return torch.ones(1, dtype=dtype, device=device).as_strided(shape, [0] * len(shape))
    return tensor.uniform_(0.5, 1.5) if dtype.is_floating_point else tensor.zero_()


def _found(name: str) -> Any:
    space, _, rest = name.partition("::")
    packet, _, overload = rest.partition(".")
    return getattr(getattr(getattr(torch.ops, space), packet), overload or "default")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
