"""The layers of any torch module in the order in which they run, and what feeds which."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archloom.errors import ArchloomError
from archloom.report._modules import detail, leaf_modules, params

_CODE_ERRORS = (
    ArchloomError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    copy.Error,
    pickle.PickleError,
)
_SHOWN = frozenset(
    (
        *("relu", "gelu", "silu", "elu", "tanh", "sigmoid", "softmax", "log_softmax", "dropout"),
        *("flatten", "mean", "amax", "sum", "matmul", "interpolate", "layer_norm", "normalize"),
        "scaled_dot_product_attention",
    )
)
_SPELLING = {"cat": "concat", "iadd": "add", "radd": "add", "imul": "mul", "rmul": "mul"}


@dataclass(frozen=True)
class Layer:
    """A step of a model: a module without parts of its own, or a function such as a sum.

    `shape` is that of the output without the batch axis, None where it is not known. `inputs` are
    the indices of the layers that it reads. A module that runs again counts no `params` again.
    """

    name: str
    kind: str
    detail: str = ""
    shape: tuple[int, ...] | None = None
    params: int = 0
    inputs: tuple[int, ...] = ()


def layers(model: nn.Module, example: Any = None) -> list[Layer]:
    """Give the layers of a model in the order in which they run on `example`.

    The model is run on the meta device (no memory, no time), or on the CPU if it does not run
    there. Where it runs on neither, or without an example, its modules are listed as they are
    registered, one feeding the next, without shapes. The model itself is left as it is.

    `example` is a tensor, a tuple of positional or a dict of keyword arguments, batch axis first.

    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    >>> [(layer.kind, layer.shape) for layer in layers(model[:2], torch.zeros(1, 1, 8, 8))]
    [('Input', (1, 8, 8)), ('Conv2d', (8, 6, 6)), ('ReLU', (8, 6, 6))]
    """
    if example is not None:
        for device in ("meta", "cpu"):
            try:
                return _run(model, example, device)
            except _CODE_ERRORS:
                continue
    return _listed(model)


def _run(model: nn.Module, example: Any, device: str) -> list[Layer]:
    twin = copy.deepcopy(model).to(device).eval()
    recorder = _Recorder()
    arguments = _on(example, device)
    for name, tensor in _named_tensors(arguments):
        recorder.add(Layer(name, "Input", shape=tuple(tensor.shape[1:])), [tensor])
    for name, module in leaf_modules(twin):
        recorder.watch(name, module)
    with torch.no_grad(), recorder:
        if isinstance(arguments, Mapping):
            outputs = twin(**arguments)
        elif isinstance(arguments, tuple):
            outputs = twin(*arguments)
        else:
            outputs = twin(arguments)
    return recorder.used(outputs)


def _listed(model: nn.Module) -> list[Layer]:
    return [
        Layer(
            name,
            type(module).__name__,
            detail(module),
            params=params(module),
            inputs=(place - 1,) if place else (),
        )
        for place, (name, module) in enumerate(leaf_modules(model))
    ]


class _Recorder(TorchFunctionMode):
    """Notes which layer every tensor came from, while a model runs.

    Inside a leaf module nothing is noted but its call; between them, the functions that join
    tensors or change them as a layer does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self._inside = 0
        self._source: dict[int, int] = {}
        self._alive: list[Tensor] = []  # so that no id is given twice
        self._counted: set[int] = set()
        self._functions: set[int] = set()

    def used(self, outputs: Any) -> list[Layer]:
        """Give the layers without functions that led nowhere, such as a check of the input."""
        keep = set(self._sources(_tensors(outputs)))
        for place in reversed(range(len(self.layers))):
            if place in keep or place not in self._functions:
                keep |= {place, *self.layers[place].inputs}
        number = {old: new for new, old in enumerate(sorted(keep))}
        return [
            replace(self.layers[old], inputs=tuple(number[i] for i in self.layers[old].inputs))
            for old in number
        ]

    def add(self, layer: Layer, outputs: Iterable[Tensor]) -> None:
        self.layers.append(layer)
        self._came_from(len(self.layers) - 1, outputs)

    def watch(self, name: str, module: nn.Module) -> None:
        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._inside += 1

        def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
            inputs = list(_tensors((args, kwargs)))
            if isinstance(output, Tensor) and any(output is tensor for tensor in inputs):
                output = _alias(output)
            self._inside -= 1
            self.add(
                Layer(
                    name,
                    type(module).__name__,
                    detail(module),
                    _shape(output),
                    self._count(module),
                    self._sources(inputs),
                ),
                _tensors(output),
            )
            return output

        module.register_forward_pre_hook(enter, with_kwargs=True)
        module.register_forward_hook(leave, with_kwargs=True)

    def _count(self, module: nn.Module) -> int:
        fresh = [p for p in module.parameters() if id(p) not in self._counted]
        self._counted.update(map(id, fresh))
        return sum(p.numel() for p in fresh)

    def _sources(self, tensors: Iterable[Tensor]) -> tuple[int, ...]:
        known = [self._source[id(t)] for t in tensors if id(t) in self._source]
        return tuple(dict.fromkeys(known))

    def _came_from(self, layer: int, outputs: Iterable[Tensor]) -> None:
        for tensor in outputs:
            self._source[id(tensor)] = layer
            self._alive.append(tensor)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs, outputs = list(_tensors((args, kwargs))), list(_tensors(result))
        if self._inside or not outputs:
            return result
        sources = self._sources(inputs)
        spelt = getattr(func, "__name__", "function")
        in_place = spelt.startswith("__i") or (spelt.endswith("_") and not spelt.startswith("_"))
        if any(result is tensor for tensor in inputs) and not in_place:
            outputs = [result := _alias(result)]
        name = spelt.strip("_")
        if len(sources) > 1 or (sources and (name in _SHOWN or "pool" in name)):
            kind = _SPELLING.get(name, name)
            self._functions.add(len(self.layers))
            self.add(Layer(kind, kind, shape=_shape(result), inputs=sources), outputs)
        elif sources:
            self._came_from(sources[0], outputs)
        return result


def _alias(tensor: Tensor) -> Tensor:
    """Give the same tensor as another object: what gives back its input has an edge of its own."""
    return tensor.view_as(tensor)


# -- nested tensors --------------------------------------------------------------------------


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _named_tensors(example: Any) -> list[tuple[str, Tensor]]:
    if isinstance(example, Mapping):
        return [(name, tensor) for name, value in example.items() for tensor in _tensors(value)]
    found = list(_tensors(example))
    return [(str(n) if len(found) > 1 else "input", t) for n, t in enumerate(found, start=1)]


def _on(example: Any, device: str) -> Any:
    if isinstance(example, Tensor):
        return torch.zeros(example.shape, dtype=example.dtype, device=device)
    if isinstance(example, Mapping):
        return {name: _on(value, device) for name, value in example.items()}
    if isinstance(example, tuple | list):
        return tuple(_on(value, device) for value in example)
    return example


def _shape(output: Any) -> tuple[int, ...] | None:
    first = next(_tensors(output), None)
    return None if first is None else tuple(first.shape[1:])
