"""MixedInputs: all options of a `pick.subset`, of which code meets those that the gates choose."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from archloom.errors import ConfigError, did_you_mean
from archloom.nn._blend import unbound, weighed
from archloom.nn._nothing import NOTHING
from archloom.nn._routing import Routing, Weighted


@final
class Edge(nn.Module):
    """One option of a subset: its output times its weight, or 0 where it is not chosen.

    Attributes:
        label: of the choice.
        name: of the option.
        names: of all options of the choice.
        option: the module.
    """

    def __init__(
        self, label: str, name: str, names: tuple[str, ...], option: nn.Module, routing: Routing
    ) -> None:
        super().__init__()
        self.label = label
        self.name = name
        self.names = names
        self.routing = routing
        self.option = option

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        weights = chosen(self.routing, self.label, self.names)
        if self.name not in weights:
            return NOTHING
        output = self.option(*args, **kwargs)
        weight = weights[self.name]
        return output if weight is None else weighed(output, weight)

    def extra_repr(self) -> str:
        return repr(self.label)


@final
class MixedInputs(nn.ModuleDict):
    """All options of one subset choice, looking like the `nn.ModuleDict` of those in use.

    While a forward runs it has the chosen options only: themselves on a single path, else such as
    multiply their output by their weight. Between forwards, when code that builds a module asks,
    it has all of them, each of which gives 0 when it is called and not chosen: what is built of
    them adds up to the right sum.
    """

    def __init__(self, label: str, options: Mapping[str, nn.Module], routing: Routing) -> None:
        super().__init__()
        self.label = label
        self.routing = routing
        self.names = tuple(options)
        for name, option in options.items():
            self.add_module(name, Edge(label, name, self.names, option, routing))

    def edge(self, name: str) -> Edge:
        """Give what wraps an option, chosen or not."""
        return cast("Edge", self._modules[name])

    def __getitem__(self, key: str) -> nn.Module:
        return self._in_use()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._in_use()

    def __iter__(self) -> Iterator[str]:
        return iter(self._in_use())

    def __len__(self) -> int:
        return len(self._in_use())

    def keys(self) -> KeysView[str]:
        return self._in_use().keys()

    def items(self) -> ItemsView[str, nn.Module]:
        return self._in_use().items()

    def values(self) -> ValuesView[nn.Module]:
        return self._in_use().values()

    def _in_use(self) -> dict[str, nn.Module]:
        if not self.routing.active:
            return dict(self._modules)
        weights = chosen(self.routing, self.label, self.names)
        return {
            name: self.edge(name) if weight is not None else self.edge(name).option
            for name, weight in weights.items()
        }

    def extra_repr(self) -> str:
        return repr(self.label)


def chosen(routing: Routing, label: str, names: tuple[str, ...]) -> dict[str, Tensor | None]:
    """Give the options in use with their weights, None where none is wanted.

    Raises:
        ConfigError: for a gate that does not fit the choice.
    """
    # Weights taken apart where no gradient is recorded would have none later.
    key = label, torch.is_grad_enabled()
    found = routing.memo.get(key)
    if found is None:
        found = routing.memo[key] = _chosen(label, names, routing.gate(label))
    return cast("dict[str, Tensor | None]", found)


def _chosen(label: str, names: tuple[str, ...], gate: Any) -> dict[str, Tensor | None]:
    given: dict[Any, Tensor | None]
    if isinstance(gate, Tensor):
        return dict(zip(names, unbound(label, gate, len(names)), strict=True))
    if isinstance(gate, Weighted):
        given = dict(zip(gate.options, gate.weights.unbind(0), strict=True))
    elif isinstance(gate, tuple):
        given = dict.fromkeys(gate)
    else:
        raise ConfigError(
            f"{label!r} takes a tuple of its options ({', '.join(names)}) or their weights, got "
            f"{gate!r}."
        )
    for name in given:
        if name not in names:
            raise ConfigError(
                f"{label!r} has no option {name!r}: {did_you_mean(str(name), names)}."
            )
    return {name: given[name] for name in names if name in given}
