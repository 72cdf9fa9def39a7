"""Building on the meta device: shapes without memory, and without the cost of initialisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from archloom.errors import SpaceError

T = TypeVar("T")

CODE_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a mistake in the code of a space raises; an interrupt or a full memory is none."""

_FILLS: Final = frozenset({"uniform_", "normal_", "fill_", "zero_", "erfinv_", "mul_", "add_"})
_EMPTY: Final = {torch.randn: torch.empty, torch.rand: torch.empty}


def _plain_norm(x: torch.Tensor, mean: torch.Tensor | None, *others: Any, **more: Any) -> bool:
    if not x.is_meta or mean is None or x.dim() < 2 or torch.is_grad_enabled():
        return False
    return mean.shape == x.shape[1:2] and x.shape[0] > 1


def _plain_relu(x: torch.Tensor, inplace: bool = False) -> bool:
    return x.is_meta and not inplace and not torch.is_grad_enabled()


_SAME: Final[Mapping[Any, Callable[..., bool]]] = {
    functional.batch_norm: _plain_norm,
    functional.relu: _plain_relu,
}
"""What gives its input's shape, and when it surely does: torch takes a millisecond to find out."""


class _NoInit(TorchFunctionMode):
    """Skip the filling of meta tensors, which hold nothing, and other work that is for nothing.

    The first random fill on the meta device loads torch's compiler (over a second, cold), which
    a trace has no use for.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" or func.__name__ in _FILLS:
            target = args[0] if args else kwargs.get("tensor")
            if isinstance(target, torch.Tensor) and target.is_meta:
                return target
        if func in _SAME and _SAME[func](*args, **kwargs):
            return torch.empty_like(args[0])
        if func in _EMPTY and not {"device", "generator", "out"} & kwargs.keys():
            func = _EMPTY[func]
        return func(*args, **kwargs)


@contextmanager
def on_meta() -> Iterator[None]:
    """Make what is built inside live on the meta device, uninitialised."""
    with torch.device("meta"), _NoInit():
        yield


@contextmanager
def on_cpu() -> Iterator[None]:
    """Make what is built inside live on the CPU, and leave torch's random state as it was."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        yield


def without_data(make: Callable[[], T]) -> T:
    """Call `make` on the meta device, or on the CPU when it needs real values.

    A constructor that reads numbers out of a tensor cannot run on the meta device. Whatever goes
    wrong there is tried again on the CPU, whose errors are the ones worth reading.
    """
    try:
        with on_meta():
            return make()
    except SpaceError as error:
        if not isinstance(error.__cause__, CODE_ERRORS):
            raise
    except CODE_ERRORS:
        pass
    with on_cpu():
        return make()
