"""Work: what each module of one model does in a forward pass, or how long it takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from archloom.architecture import Architecture
from archloom.nn._meta import on_cpu, without_data
from archloom.task import Inputs, call_model

if TYPE_CHECKING:
    from archloom.nn import Supernet

_WARM_UP: Final = 2
_REPEATS: Final = 5

Pairs: TypeAlias = "Sequence[tuple[nn.Module, nn.Module]]"
"""(module of the supernet, module of one model)."""


class Work(NamedTuple):
    """What a module does itself, its parts left out: what its cost follows from."""

    params: int = 0
    flops: int = 0
    elements: int = 0


NO_WORK: Final = Work()


def work_of(
    supernet: Supernet, architecture: Architecture, example: Inputs, metric: str
) -> dict[int, Work]:
    """Give the work of an architecture's modules, by the id of the supernet's module.

    Only what matters to the metric is counted, and modules without any of it are left out.
    """
    pairs, model = without_data(lambda: supernet.match(architecture))
    params = _params(pairs)
    if metric == "params":
        return {name: Work(params=number) for name, number in params.items() if number}
    flops, elements = _counts(supernet, architecture, pairs, model, example)
    if metric == "flops":
        return {name: Work(flops=number) for name, number in flops.items() if number}
    names = flops.keys() | params.keys()
    return {n: Work(params.get(n, 0), flops.get(n, 0), elements.get(n, 0)) for n in names}


def milliseconds(
    supernet: Supernet, architecture: Architecture, example: Inputs, device: torch.device | str
) -> dict[int, float]:
    """Give the time that each module takes itself: the median of several passes."""
    with on_cpu():
        pairs, model = supernet.match(architecture)
    model.to(device).eval()
    inputs = _on(example, device)
    place = torch.device(device)
    with torch.inference_mode():
        for _ in range(_WARM_UP):
            call_model(model, inputs)
        passes = [_shares(pairs, model, inputs, lambda: _now(place)) for _ in range(_REPEATS)]
    names = {name for shares in passes for name in shares}
    return {name: statistics.median(s.get(name, 0.0) for s in passes) * 1e3 for name in names}


def _params(pairs: Pairs) -> dict[int, int]:
    counted: set[int] = set()
    numbers: dict[int, int] = {}
    for shared, plain in pairs:
        for parameter in plain.parameters(recurse=False):
            if id(parameter) not in counted:
                counted.add(id(parameter))
                numbers[id(shared)] = numbers.get(id(shared), 0) + parameter.numel()
    return numbers


def _counts(
    supernet: Supernet,
    architecture: Architecture,
    pairs: Pairs,
    model: nn.Module,
    example: Inputs,
) -> tuple[dict[int, int], dict[int, int]]:
    """Give operations and numbers of outputs."""
    try:
        return _counted(pairs, model, _on(example, "meta"))
    except (RuntimeError, NotImplementedError):  # a forward pass that looks at values
        with on_cpu():
            pairs, model = supernet.match(architecture)
        return _counted(pairs, model, _on(example, "cpu"))


def _counted(
    pairs: Pairs, model: nn.Module, inputs: Inputs
) -> tuple[dict[int, int], dict[int, int]]:
    elements: dict[int, int] = {}

    def note(name: int, output: Any) -> None:
        sizes = (x.numel() for x in pytree.tree_leaves(output) if isinstance(x, Tensor))
        elements[name] = elements.get(name, 0) + sum(sizes)

    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        flops = _shares(pairs, model, inputs, counter.get_total_flops, note)
    return {name: int(number) for name, number in flops.items()}, elements


def _shares(
    pairs: Pairs,
    model: nn.Module,
    inputs: Inputs,
    meter: Callable[[], float],
    note: Callable[[int, Any], None] = lambda name, output: None,
) -> dict[int, float]:
    """Run the model; give how far the meter moved in each module, its parts left out."""
    own: dict[int, float] = {}
    open_: list[list[float]] = []  # for each module that runs: the meter at its begin, its parts'

    def enter(*_: Any) -> None:
        open_.append([meter(), 0.0])

    def leave(name: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            began, parts = open_.pop()
            whole = meter() - began
            own[name] = own.get(name, 0.0) + whole - parts
            if open_:
                open_[-1][1] += whole
            note(name, output)

        return hook

    with _hooked(pairs, enter, leave):
        call_model(model, inputs)
    return own


@contextmanager
def _hooked(
    pairs: Pairs, enter: Callable[..., None], leave: Callable[[int], Callable[..., None]]
) -> Iterator[None]:
    with ExitStack() as stack:
        for plain, shared in {plain: shared for shared, plain in pairs}.items():
            for handle in (
                plain.register_forward_pre_hook(enter),
                plain.register_forward_hook(leave(id(shared))),
            ):
                stack.callback(handle.remove)
        yield


def _on(inputs: Inputs, device: torch.device | str) -> Inputs:
    return cast("Inputs", pytree.tree_map(lambda x: x.to(device), inputs))


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
