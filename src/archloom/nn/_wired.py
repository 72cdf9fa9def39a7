"""Forward passes that no `nn.Sequential` can say, as modules that need nothing but torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, final

from torch import Tensor, nn
from torch.fx import Graph, GraphModule
from torch.fx.proxy import GraphAppendingTracer


def wired(
    forward: Callable[..., Any],
    parts: Mapping[str, nn.Module | Tensor],
    inputs: Sequence[str] = ("x",),
    name: str = "Wired",
) -> GraphModule:
    """Write `forward(self, *inputs)` down as a graph over `parts`.

    `forward` runs once, on stand-ins: `self.part` is a module to call, a parameter or a buffer. A
    name with dots, for `getattr(self, "cells.0")`, puts the part into plain modules of those names.
    Its operations must not hang on values, nor (so that any batch will do) on the batch size. A
    buffer must meet an input directly: what is computed of buffers alone would be kept as
    a constant when the model is loaded again.

    >>> import torch
    >>> halves = wired(lambda self, x: self.linear(x) / 2, {"linear": nn.Linear(3, 2)})
    >>> halves(torch.zeros(5, 3)).shape, type(halves).__mro__[1].__name__
    (torch.Size([5, 2]), 'GraphModule')
    """
    graph = Graph()
    tracer = GraphAppendingTracer(graph)
    given = [tracer.create_proxy("placeholder", name, (), {}) for name in inputs]
    graph.output(tracer.create_arg(forward(_Parts(tracer, parts), *given)))
    return GraphModule(_nested(parts), graph, name)


def _nested(parts: Mapping[str, nn.Module | Tensor]) -> nn.Module | dict[str, Any]:
    """Give the parts by name or, where names have dots, in modules that keep their order."""
    if not any("." in name for name in parts):
        return dict(parts)
    root = nn.Module()
    for name, part in parts.items():
        *path, last = name.split(".")
        inside = root
        for step in path:
            if step not in inside._modules:
                inside.add_module(step, nn.Module())
            inside = cast("nn.Module", inside._modules[step])
        if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
            inside.register_buffer(last, part)
        else:
            setattr(inside, last, part)
    return root


@final
class _Parts:
    """What stands for `self`: every use of a part becomes a node of the graph."""

    def __init__(
        self, tracer: GraphAppendingTracer, parts: Mapping[str, nn.Module | Tensor]
    ) -> None:
        self._tracer = tracer
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        if not isinstance(self._parts[name], nn.Module):
            return self._tracer.create_proxy("get_attr", name, (), {})
        return lambda *args, **kwargs: self._tracer.create_proxy("call_module", name, args, kwargs)
