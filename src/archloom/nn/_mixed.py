"""Mixed: all options of a `pick.layer` as one module, which runs those that the gates choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, cast, final

from torch import Tensor, nn

from archloom.errors import ConfigError, did_you_mean
from archloom.nn._blend import UnequalShapes, plus, shapes, unbound, weighed
from archloom.nn._partial import partially
from archloom.nn._routing import MISSING, Routing, Weighted

_TAKEN: Final = frozenset(vars(nn.ModuleDict()))
"""Names of attributes that every module has."""


@final
class Mixed(nn.Module):
    """All options of one layer choice.

    For an option's name it calls that option alone. For weights it gives the weighted sum of the
    options' outputs, without running those that give zeros only (see `gives_zeros`).

    Attributes:
        label: of the choice.
        options: the modules by option name (by a name that torch allows, where it must differ).
        routing: what says which of them run.
        same_shape: whether the space promises outputs of one shape.
    """

    def __init__(
        self,
        label: str,
        options: Mapping[str, nn.Module],
        routing: Routing,
        same_shape: bool = True,
    ) -> None:
        super().__init__()
        self.label = label
        self.routing = routing
        self.same_shape = same_shape
        self.names = tuple(options)
        self._keys = _keys(options)
        self.options = nn.ModuleDict({self._keys[name]: options[name] for name in options})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        gate = self.routing.gates.get(self.label, MISSING)
        if isinstance(gate, str):
            # Past `nn.Module.__getattr__`, which costs as much as the rest of this.
            options = cast("nn.ModuleDict", self._modules["options"])._modules
            key = self._keys.get(gate)
            if key is not None:
                return options[key](*args, **kwargs)
        names, weights = self._weights(gate)
        if self.routing.partial > self.routing.divisor:
            return partially(self, names, weights, args, kwargs)
        return self.blend(names, weights, args, kwargs)

    def option(self, name: str) -> nn.Module:
        """Give the module of an option.

        Raises:
            ConfigError: when there is no such option.
        """
        if name not in self._keys:
            raise ConfigError(f"{self.label!r} has no option {name!r}: {self._mend(name)}.")
        return self.options[self._keys[name]]

    def blend(self, names: Sequence[str], weights: Sequence[Tensor], args: Any, kwargs: Any) -> Any:
        """Give the sum of the named options' outputs, each times its weight."""
        running = [(n, w) for n, w in zip(names, weights, strict=True) if n not in self._zeros]
        # Where nothing else runs, a zero has to give the shape.
        running = running or [(names[0], weights[0])]
        total: Any = None
        for name, weight in running:
            output = self.option(name)(*args, **kwargs)
            if total is None:
                total = weighed(output, weight)
            else:
                self._compare(running[0][0], total, name, output)
                total = plus(total, weighed(output, weight))
        return total

    @cached_property
    def _zeros(self) -> frozenset[str]:
        return frozenset(name for name in self.names if gives_zeros(self.option(name)))

    def _weights(self, gate: Any) -> tuple[Sequence[str], Sequence[Tensor]]:
        if isinstance(gate, Tensor):
            return self.names, unbound(self.label, gate, len(self.names))
        if isinstance(gate, Weighted):
            return cast("tuple[str, ...]", gate.options), gate.weights.unbind(0)
        if gate is MISSING:
            raise self.routing.missing(self.label)
        raise ConfigError(f"{self.label!r} has no option {gate!r}: {self._mend(str(gate))}.")

    def _mend(self, name: str) -> str:
        return did_you_mean(name, self.names)

    def _compare(self, first: str, total: Any, name: str, output: Any) -> None:
        if shapes(output) != shapes(total):
            raise UnequalShapes(
                self.label,
                f"Option {name!r} of {self.label!r} gives {shapes(output)} where {first!r} gives "
                f"{shapes(total)}, and outputs that are weighted must have one shape: pad it, or "
                f"pin the choice: pinned={{{self.label!r}: {first!r}}}.",
            )

    def extra_repr(self) -> str:
        return repr(self.label)


def gives_zeros(module: nn.Module) -> bool:
    """Say whether a module gives zeros for every input, so that a weighted sum need not run it.

    It says so itself, by a true attribute `gives_zeros`; a graph module, whose attributes do not
    survive a copy, by `meta["gives_zeros"]`.
    """
    meta = getattr(module, "meta", None)
    told = isinstance(meta, dict) and meta.get("gives_zeros", False)
    return bool(told or getattr(module, "gives_zeros", False))


def _keys(options: Mapping[str, nn.Module]) -> dict[str, str]:
    """Give a name that torch allows for each option: its own, or its number where it may not be."""
    keys = {}
    for number, name in enumerate(options):
        plain = "." not in name and not hasattr(nn.ModuleDict, name) and name not in _TAKEN
        keys[name] = name if plain else f"option {number}"
    return keys
