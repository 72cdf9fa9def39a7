"""MixedDepth: all bodies of a `pick.repeat`, of which as many run as the gates say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast, final

from torch import Tensor, nn

from archloom.errors import ConfigError
from archloom.nn._blend import UnequalShapes, plus, shapes, unbound, weighed
from archloom.nn._reading import Join
from archloom.nn._routing import Routing, Weighted


@final
class MixedDepth(nn.Module):
    """All bodies of one repeat choice, joined once for every depth it may have.

    It runs the join of the chosen depth; with weights, every depth's output times its weight is
    summed (a row of bodies is run once only). Code that goes through it while a forward runs,
    because the join is an `nn.ModuleList`, meets the bodies of the chosen depth.

    Attributes:
        label: of the choice.
        bodies: the modules that hold the weights, shared by all depths.
        low: the smallest depth; the largest is the number of bodies.
    """

    def __init__(
        self, label: str, bodies: Sequence[nn.Module], low: int, join: Join, routing: Routing
    ) -> None:
        super().__init__()
        self.label = label
        self.routing = routing
        self.low = low
        self.bodies = nn.ModuleList(bodies)
        joins = {depth: join(list(bodies[:depth])) for depth in range(low, len(bodies) + 1)}
        held = {id(tensor) for tensor in _tensors(self.bodies)}
        # A plain dict, which torch does not search: the bodies are registered once, above.
        self._joins = joins
        self.own = nn.ModuleDict(
            {
                str(depth): module
                for depth, module in joins.items()
                if any(id(tensor) not in held for tensor in _tensors(module))
            }
        )
        last = joins[len(bodies)]
        self._in_a_row = type(last) is nn.Sequential and all(
            one is two for one, two in zip(last, bodies, strict=False)
        )

    @property
    def joins(self) -> tuple[nn.Module, ...]:
        """What holds the bodies, for each depth."""
        return tuple(self._joins.values())

    def joined(self, depth: int) -> nn.Module:
        """Give the module of one depth.

        Raises:
            ConfigError: when the choice does not allow that depth.
        """
        try:
            return self._joins[depth]
        except (KeyError, TypeError):
            raise ConfigError(
                f"The depth of {self.label!r} must be {self.low} to {len(self.bodies)}, got "
                f"{depth!r}."
            ) from None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        gate: Any = self.routing.gate(self.label)
        if not isinstance(gate, Tensor | Weighted):
            return self.joined(gate)(*args, **kwargs)
        depths = dict(self._weights(gate))
        if self._in_a_row and len(args) == 1 and not kwargs:
            return self._summed(self._growing(args[0], depths), depths)
        return self._summed(self._apart(args, kwargs, depths), depths)

    def train(self, mode: bool = True) -> MixedDepth:
        """Set the mode of the joins, too, which torch does not see."""
        super().train(mode)
        for module in self._joins.values():
            module.train(mode)
        return self

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._here())

    def __len__(self) -> int:
        return len(self._here())

    def __getitem__(self, index: Any) -> Any:
        return self._here()[index]

    def __getattr__(self, name: str) -> Any:
        routing = self.__dict__.get("routing")
        own = name.startswith("__") or name in self.__dict__["_modules"]
        if own or routing is None or not routing.active:
            return super().__getattr__(name)
        return getattr(self._chosen(), name)

    def _here(self) -> Any:
        """Give what code that goes through the bodies meets."""
        if self.routing.active:
            return self._chosen()
        return [Step(self, index, body) for index, body in enumerate(self.bodies)]

    def _chosen(self) -> nn.Module:
        gate = self.routing.gate(self.label)
        if isinstance(gate, Tensor | Weighted):
            raise ConfigError(_only_a_row(self.label))
        return self.joined(cast("int", gate))

    def _weights(self, gate: Any) -> Iterator[tuple[int, Tensor]]:
        high = len(self.bodies)
        if isinstance(gate, Weighted):
            for depth in gate.options:
                self.joined(cast("int", depth))
            yield from zip(cast("Any", gate.options), gate.weights.unbind(0), strict=True)
        else:
            depths = range(self.low, high + 1)
            yield from zip(depths, unbound(self.label, gate, len(depths)), strict=True)

    def _growing(self, x: Any, depths: dict[int, Tensor]) -> Iterator[tuple[int, Any]]:
        """Give the output of each wanted depth, running every body once."""
        for depth in range(max(depths) + 1):
            if depth:
                with self.routing.settled(self.label, len(self.bodies)):
                    x = self.bodies[depth - 1](x)
            if depth in depths:
                yield depth, x

    def _apart(
        self, args: Any, kwargs: Any, depths: dict[int, Tensor]
    ) -> Iterator[tuple[int, Any]]:
        """Give the output of each wanted depth, running each whole."""
        for depth in depths:
            with self.routing.settled(self.label, depth):
                output = self.joined(depth)(*args, **kwargs)
            yield depth, output

    def _summed(self, outputs: Iterator[tuple[int, Any]], weights: dict[int, Tensor]) -> Any:
        total: Any = None
        for depth, output in outputs:
            if total is None:
                total, first = weighed(output, weights[depth]), depth
                continue
            if shapes(output) != shapes(total):
                raise UnequalShapes(
                    self.label,
                    f"Depth {depth} of {self.label!r} gives {shapes(output)} where depth {first} "
                    f"gives {shapes(total)}, and outputs that are weighted must have one shape: "
                    f"pin the choice: pinned={{{self.label!r}: {first}}}.",
                )
            total = plus(total, weighed(output, weights[depth]))
        return total

    def extra_repr(self) -> str:
        return f"{self.label!r}, {self.low} to {len(self.bodies)}"


@final
class Step(nn.Module):
    """A body that was taken out of its repeat to stand in a row: skipped beyond the depth."""

    def __init__(self, repeat: MixedDepth, index: int, body: nn.Module) -> None:
        super().__init__()
        self.label = repeat.label
        self.routing = repeat.routing
        self.index = index
        self.body = body

    def forward(self, x: Any) -> Any:
        depth = self.routing.gate(self.label)
        if not isinstance(depth, int):
            raise ConfigError(_only_a_row(self.label))
        return self.body(x) if self.index < depth else x

    def extra_repr(self) -> str:
        return f"{self.label!r}, {self.index}"


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _only_a_row(label: str) -> str:
    return (
        f"The depth of {label!r} can be weighted only where the repeat's own nn.Sequential is "
        f"used whole: search with a method that samples paths, or pin it "
        f"(pinned={{{label!r}: ...}})."
    )
