"""Fused supernets: the same numbers from fewer and larger operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from archloom.nn._mixed import Mixed
from archloom.nn._mixed_inputs import Edge as Input
from archloom.nn._routing import MISSING, Routing
from archloom.oneshot._fused_check import same_numbers
from archloom.oneshot._fused_fan import Fan
from archloom.oneshot._fused_plan import Edge, edge_of, hooked


@contextmanager
def fused(supernet: nn.Module, *, check: bool = True) -> Iterator[int]:
    """Let a supernet compute weighted choices faster for as long as the context lasts.

    Gives the same outputs, gradients (of any order) and running statistics, up to rounding. What
    it does, where the options of a `pick.layer` are those of cells (ReLU, depthwise and pointwise
    convolution, batch norm, once or more; pooling; identity; zeros):

    - choices that read the same map share its ReLU, poolings and their batch norms;
    - a batch norm is folded into the convolution before it, and the weight of an option into that:
      statistics come from the channels' products, so that nothing is computed to be normalised;
    - dilated convolutions run as plain ones on sub-maps; depthwise convolutions of several choices
      run as one; their gradients are computed in faster ways than torch's own on CPUs;
    - only what goes into the convolutions is kept for the gradients.

    It acts where all options have weights (DARTS, DrNAS, SNAS: a tensor for a label); single
    paths and `Weighted` gates run as before, as do partial channels, whatever is not recognised,
    and modules with hooks. No module, parameter or key of the supernet changes, so that optimizers,
    `state_dict`, `functional_call`, `copy.deepcopy` and `child` work as ever. Maps are kept in
    torch's `channels_last` inside; supernet and batches should be in that format, too.

    A backward pass that asks for the gradients of the architecture parameters alone
    (`torch.autograd.grad(loss, alphas)`) leaves out those of the convolution kernels. Under
    autocast, what is fused runs in float32.

    Args:
        supernet: what `ModelSpace.supernet` gave, or any module with such choices in it.
        check: whether each kind of choices is compared on a small batch first, gradients
            included, and left as it is where the numbers differ.

    Yields:
        how many choices are fused.

    >>> from archloom.nn import model_space
    >>> from archloom.nn.cells import operations
    >>> @model_space
    ... def tiny(pick):
    ...     return pick.layer("op", operations(["sep_conv_3x3", "skip_connect"], 4))
    >>> supernet = tiny.supernet()
    >>> x, gates = torch.randn(2, 4, 8, 8), {"op": torch.tensor([0.7, 0.3])}
    >>> plain = supernet(x, gates=gates)
    >>> with fused(supernet) as number:
    ...     number, torch.allclose(supernet(x, gates=gates), plain, atol=1e-5)
    (1, True)
    """
    seats = _seats(supernet, check)
    for seat in seats:
        seat.module.__dict__["forward"] = seat.forward
    try:
        yield len(seats)
    finally:
        for seat in seats:
            seat.module.__dict__.pop("forward", None)


@final
class _Table:
    """Choices that read the same map. The first one that is called computes all of them.

    A forward calls each of them with the very same tensor; what was computed waits here.
    """

    def __init__(self, seats: Sequence[tuple[nn.Module, Mixed]], edges: Sequence[Edge]) -> None:
        self.mixeds = [mixed for _, mixed in seats]
        self.inputs = [module if isinstance(module, Input) else None for module, _ in seats]
        self.fan = Fan(edges)
        self._norms = [norm for edge in edges for norm in edge.norms]
        self._asked: tuple[Any, ...] = ()
        self._waiting: dict[int, Tensor] = {}

    def take(self, place: int, x: Tensor, routing: Routing) -> Tensor:
        """Give the output of one choice for a map."""
        asked = x, routing.gates, torch.is_grad_enabled()
        same = len(self._asked) == 3 and all(
            a is b for a, b in zip(asked, self._asked, strict=True)
        )
        if not same or place not in self._waiting:
            self._asked = asked
            self._waiting = dict(enumerate(self._run(x)))
        found = self._waiting.pop(place)
        if not self._waiting:
            self._asked = ()
        return found

    def usable(self, routing: Routing) -> bool:
        """Say whether the gates weigh all options of all choices."""
        if routing.partial > 1 or routing.divisor > 1:
            return False
        if len({norm.training for norm in self._norms}) > 1:
            return False
        return all(
            isinstance(routing.gates.get(mixed.label, MISSING), Tensor)
            and (entry is None or _whole(entry, routing.gates.get(entry.label, MISSING)))
            for mixed, entry in zip(self.mixeds, self.inputs, strict=True)
        )

    def _run(self, x: Tensor) -> list[Tensor]:
        weights = torch.stack([self._weights(place, x) for place in range(len(self.mixeds))])
        kind = x.device.type
        if not torch.is_autocast_enabled(kind):
            return self.fan(x, weights)
        with torch.autocast(kind, enabled=False):
            return self.fan(x.float(), weights.float())

    def _weights(self, place: int, x: Tensor) -> Tensor:
        mixed, entry = self.mixeds[place], self.inputs[place]
        weights = cast("Tensor", mixed.routing.gates[mixed.label]).to(x.device)
        if entry is None:
            return weights
        gate = entry.routing.gates[entry.label]
        if not isinstance(gate, Tensor):
            return weights
        return weights * gate[entry.names.index(entry.name)].to(x.device)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_asked": (), "_waiting": {}}


@final
class _Seat:
    """What a choice does in place of its own `forward`."""

    def __init__(self, module: nn.Module, table: _Table, place: int) -> None:
        self.module = module
        self._table = table
        self._place = place
        self._routing: Routing = table.mixeds[place].routing

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Take part where all options have weights, else run as the module itself."""
        routing = self._routing
        gate = routing.gates.get(self._table.mixeds[self._place].label, MISSING)
        if isinstance(gate, Tensor) and len(args) == 1 and not kwargs:
            x = args[0]
            if isinstance(x, Tensor) and x.dim() == 4 and self._table.usable(routing):
                return self._table.take(self._place, x, routing)
        return type(self.module).forward(self.module, *args, **kwargs)


def _whole(entry: Input, gate: Any) -> bool:
    """Say whether a gate lets an input in, or gives it a weight."""
    return isinstance(gate, Tensor) or (isinstance(gate, tuple) and entry.name in gate)


def _seats(supernet: nn.Module, check: bool) -> list[_Seat]:
    verdicts: dict[Any, bool] = {}
    found = []
    for group in _groups(supernet):
        edges = {place: edge_of(mixed) for place, (_, mixed) in enumerate(group)}
        known = {place: edge for place, edge in edges.items() if edge is not None}
        for places in _alike(known):
            own = [known[place] for place in places]
            if check and not _good(own, [group[place][1] for place in places], verdicts):
                continue
            table = _Table([group[place] for place in places], own)
            found += [_Seat(group[p][0], table, at) for at, p in enumerate(places)]
    return found


def _good(edges: Sequence[Edge], mixeds: Sequence[Mixed], verdicts: dict[Any, bool]) -> bool:
    kind = edges[0].kind
    if kind not in verdicts:
        verdicts[kind] = same_numbers(mixeds[:2])
    return verdicts[kind]


def _alike(edges: dict[int, Edge]) -> list[list[int]]:
    """Group edges of one kind in one mode."""
    groups: dict[Any, list[int]] = {}
    for place, edge in edges.items():
        groups.setdefault(edge.kind, []).append(place)
    return list(groups.values())


def _groups(supernet: nn.Module) -> list[list[tuple[nn.Module, Mixed]]]:
    """Give all choices, those together that a graph calls with the same map.

    Choices that are called more than once are left out: what waits would be taken by the wrong
    call.
    """
    seen: set[int] = set()
    groups: list[list[tuple[nn.Module, Mixed]]] = []
    for module in supernet.modules():
        if isinstance(module, GraphModule):
            for group in _in_graph(module):
                fresh = [pair for pair in group if id(pair[1]) not in seen]
                seen.update(id(part) for pair in fresh for part in pair)
                groups.append(fresh)
    for module in supernet.modules():
        if isinstance(module, Mixed) and id(module) not in seen and not hooked(module):
            seen.add(id(module))
            groups.append([(module, module)])
    return [group for group in groups if group]


def _in_graph(module: GraphModule) -> list[list[tuple[nn.Module, Mixed]]]:
    calls: dict[int, int] = {}
    groups: dict[Any, list[tuple[nn.Module, Mixed]]] = {}
    for node in module.graph.nodes:
        if node.op == "call_module":
            choice = _choice(module.get_submodule(str(node.target)))
            if choice is not None:
                calls[id(choice[1])] = calls.get(id(choice[1]), 0) + 1
                if len(node.args) == 1 and not node.kwargs:
                    groups.setdefault(node.args[0], []).append(choice)
    return [[pair for pair in group if calls[id(pair[1])] == 1] for group in groups.values()]


def _choice(module: nn.Module) -> tuple[nn.Module, Mixed] | None:
    """Give a choice and what is called for it: itself, or the input of a subset around it."""
    inner = module.option if isinstance(module, Input) else module
    if not isinstance(inner, Mixed) or hooked(module) or hooked(inner):
        return None
    return module, inner
